import { describe, expect, test } from 'vitest'
import { ask, startBackend, startGateway, usable } from './support.ts'

const nothing = { ...usable(''), accessToken: undefined }

describe('a backend that gets no credential', () => {
  test('gets none, the token of the client neither', async () => {
    const backend = await startBackend()
    const gateway = await startGateway({
      instances: [backend.url],
      tokens: { peek: () => nothing },
    })
    expect((await ask(gateway, { body: '{}' })).status).toBe(200)
    expect(backend.field('authorization')).toBeUndefined()
    expect(backend.field('x-request-id')).toBeDefined()
  })

  test('and wants one all the same is broken: another login would not help', async () => {
    const backend = await startBackend((_, res) => {
      res.writeHead(401, { 'www-authenticate': 'Bearer' }).end()
    })
    const gateway = await startGateway({
      instances: [backend.url],
      tokens: { peek: () => nothing },
    })
    const reply = await ask(gateway, { body: '{}' })
    expect([reply.status, reply.headers['www-authenticate']]).toEqual([502, undefined])
    expect(backend.seen).toHaveLength(1)
    expect(gateway.log).toEqual([
      expect.objectContaining({
        reason: 'the backend wants a token, and is configured to get none',
      }),
    ])
  })
})

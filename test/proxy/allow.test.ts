import { describe, expect, test } from 'vitest'
import type { Identity } from '../../src/domain/grant.ts'
import { ask, startBackend, startGateway, UPSTREAM_TOKEN, usable } from './support.ts'

function tokenOf(identity: Partial<Identity>, accessToken = UPSTREAM_TOKEN) {
  const token = usable(accessToken)
  return { ...token, grant: { ...token.grant, identity: { ...token.grant.identity, ...identity } } }
}

const allow = { any: [{ group: 'crm' }, { role: 'admin' }] } as const

describe('a backend that lets in some identities only', () => {
  test.each([
    ['a group', { groups: ['crm'] }],
    ['a role', { roles: ['admin'] }],
  ])('gets the calls of whoever has %s', async (_, identity) => {
    const backend = await startBackend()
    const gateway = await startGateway({
      instances: [backend.url],
      backend: { allow },
      tokens: { peek: () => tokenOf(identity) },
    })
    expect((await ask(gateway, { body: '{}' })).status).toBe(200)
    expect(backend.seen).toHaveLength(1)
  })

  test('refuses everybody else with 403 and a JSON-RPC error, and no challenge that would begin a login', async () => {
    const backend = await startBackend()
    const gateway = await startGateway({
      instances: [backend.url],
      backend: { allow },
      tokens: { peek: () => tokenOf({ groups: ['sales'] }) },
    })
    const reply = await ask(gateway, { body: '{}' })
    expect(reply.status).toBe(403)
    expect(reply.headers['www-authenticate']).toBeUndefined()
    expect(JSON.parse(reply.body)).toMatchObject({ jsonrpc: '2.0', error: { code: -32016 } })
    expect(gateway.log).toEqual([
      expect.objectContaining({ status: 403, reason: 'not group crm; not role admin' }),
    ])
    expect(backend.seen).toEqual([])
  })

  test('looks again at what a refresh has brought, before the call goes out a second time', async () => {
    const backend = await startBackend((_, res) => {
      res.writeHead(401).end()
    })
    const gateway = await startGateway({
      instances: [backend.url],
      backend: { allow },
      tokens: {
        peek: () => tokenOf({ groups: ['crm'] }),
        resolveAfterRejection: async () => tokenOf({ groups: [] }, 'upstream-token-2'),
      },
    })
    expect((await ask(gateway, { body: '{}' })).status).toBe(403)
    expect(backend.seen).toHaveLength(1)
  })
})

import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type SampleBackend, startSampleBackend } from '../../src/dev/sample-backend.ts'
import { ERAS } from '../support/mcp-clients.ts'
import { type RoundRobin, startRoundRobin } from '../support/round-robin.ts'

let one: SampleBackend
let two: SampleBackend
let front: RoundRobin

beforeAll(async () => {
  one = await startSampleBackend({ port: 0, instance: 'demo-1' })
  two = await startSampleBackend({ port: 0, instance: 'demo-2' })
  front = await startRoundRobin([one.url, two.url].map(url => new URL(url).origin))
})

afterAll(async () => {
  await Promise.all([front.close(), one.close(), two.close()])
})

const mintToken = () =>
  new SignJWT({ name: 'Alice', email: 'alice@example.com', groups: ['staff'] })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('alice')
    .sign(Buffer.alloc(32))

describe.each(ERAS)('the sample backend, to a client of $era', ({ connect }) => {
  it('lists its tools and adds', async () => {
    const client = await connect(one.url)
    expect((await client.toolNames()).sort()).toEqual(['add', 'slow_count', 'whoami'])
    expect(await client.call('add', { a: 2, b: 40 })).toBe('42')
    await client.close()
  })

  it('says who the injected token is about and never says the token', async () => {
    const token = await mintToken()
    const client = await connect(one.url, token)
    const answer = await client.call('whoami')
    expect(JSON.parse(answer)).toEqual({
      instance: 'demo-1',
      subject: 'alice',
      name: 'Alice',
      email: 'alice@example.com',
      groups: ['staff'],
    })
    for (const part of token.split('.')) expect(answer).not.toContain(part)
    await client.close()
  })

  it.each([{ token: undefined }, { token: 'an-opaque-token' }, { token: 'a.b.c' }])(
    'says only its instance where the token is $token',
    async ({ token }) => {
      const client = await connect(one.url, token)
      expect(JSON.parse(await client.call('whoami'))).toEqual({ instance: 'demo-1' })
      await client.close()
    },
  )

  it('needs no affinity: requests that alternate between two instances are one conversation', async () => {
    const client = await connect(`${front.origin}/mcp`)
    const names = new Set<string>()
    for (let call = 0; call < 4; call++) {
      names.add(JSON.parse(await client.call('whoami')).instance)
    }
    expect([...names].sort()).toEqual(['demo-1', 'demo-2'])
    await client.close()
  })

  it('streams the progress of slow_count while it counts', async () => {
    const client = await connect(one.url)
    const steps: number[] = []
    let isOver = false
    const counting = client.call(
      'slow_count',
      { to: 3, delayMs: 20 },
      { onprogress: ({ progress }) => steps.push(isOver ? -1 : progress) },
    )
    expect(await counting.finally(() => (isOver = true))).toBe('counted to 3')
    expect(steps).toEqual([1, 2, 3])
    await client.close()
  })

  it('refuses to count beyond 60', async () => {
    const client = await connect(one.url)
    await expect(client.call('slow_count', { to: 61 })).rejects.toThrow()
    await client.close()
  })
})

describe('the sample backend, stateless as 2025-11-25 allows', () => {
  it.each(['GET', 'DELETE'])('answers %s with 405', async method => {
    const response = await fetch(one.url, { method, headers: { accept: 'text/event-stream' } })
    expect(response.status).toBe(405)
  })

  it('gives no session id at initialize', async () => {
    const response = await fetch(one.url, {
      method: 'POST',
      headers: {
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'initialize',
        params: {
          protocolVersion: '2025-11-25',
          capabilities: {},
          clientInfo: { name: 'test', version: '1' },
        },
      }),
    })
    expect(response.status).toBe(200)
    expect(response.headers.get('mcp-session-id')).toBeNull()
    expect(await response.text()).toContain('"protocolVersion":"2025-11-25"')
  })

  it('serves its own path only', async () => {
    expect((await fetch(new URL('/other', one.url), { method: 'POST' })).status).toBe(404)
  })
})

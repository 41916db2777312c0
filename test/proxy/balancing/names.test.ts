import { describe, expect, onTestFinished, test } from 'vitest'
import { createNameResolver } from '../../../src/proxy/balancing/names.ts'
import { type NameServer, startNameServer } from '../../support/name-server.ts'

async function startServer(answer: Parameters<typeof startNameServer>[0]): Promise<NameServer> {
  const server = await startNameServer(answer)
  onTestFinished(server.close)
  return server
}

const says =
  (...addresses: string[]) =>
  async () =>
    addresses.map(address => ({ address }))

describe('a name', () => {
  test('has all its addresses of both kinds, each once', async () => {
    const { resolver, lookUp } = await startServer((_name, type) =>
      type === 'A' ? ['192.0.2.1', '192.0.2.2', '192.0.2.1'] : ['2001:db8::1'],
    )
    const { addresses } = await createNameResolver(resolver, lookUp)('crm.example.com')
    expect(addresses).toEqual(['192.0.2.1', '192.0.2.2', '2001:db8::1'])
  })

  test('needs no addresses of one of the kinds', async () => {
    const { resolver, lookUp } = await startServer((_name, type) =>
      type === 'A' ? ['192.0.2.1'] : [],
    )
    const { addresses } = await createNameResolver(resolver, lookUp)('crm.example.com')
    expect(addresses).toEqual(['192.0.2.1'])
  })

  test.each([
    [0, 5],
    [30, 30],
    [86_400, 60],
  ])('whose records live for %i s is looked up again after %i s', async (ttl, seconds) => {
    const records = async () => [{ address: '192.0.2.1', ttl }]
    const none = async () => []
    const resolver = { resolve4: records, resolve6: none }
    const resolve = createNameResolver(resolver, says('192.0.2.1', '192.0.2.1'))
    expect((await resolve('crm')).ttlSeconds).toBe(seconds)
  })

  test('of a cluster is not what somebody has registered under it in public', async () => {
    // The operating system has found `crm.dev.svc.cluster.local`.
    const { resolver } = await startServer((_name, type) => (type === 'A' ? ['192.0.2.66'] : []))
    const resolve = createNameResolver(resolver, says('10.0.0.1', '10.0.0.2'))
    expect(await resolve('crm.dev')).toEqual({
      addresses: ['10.0.0.1', '10.0.0.2'],
      ttlSeconds: 10,
    })
  })

  test('that the name servers do not know is one that the operating system may know', async () => {
    const { resolver } = await startServer(() => undefined)
    const resolve = createNameResolver(resolver)
    expect((await resolve('localhost')).addresses).toContain('127.0.0.1')
    await expect(resolve('no-such-name.invalid')).rejects.toThrow()
  })

  test('that the operating system does not know is not asked of others', async () => {
    const { resolver } = await startServer((_name, type) => (type === 'A' ? ['192.0.2.66'] : []))
    const unknown = async (): Promise<never> => {
      throw new Error('no such name')
    }
    await expect(createNameResolver(resolver, unknown)('crm.dev')).rejects.toThrow('no such name')
  })

  test('of which the name servers know only a half is what the operating system says', async () => {
    const failing = async (): Promise<never> => {
      throw Object.assign(new Error('no answer'), { code: 'ETIMEOUT' })
    }
    const resolver = {
      resolve4: async () => [{ address: '192.0.2.1', ttl: 30 }],
      resolve6: failing,
    }
    const resolve = createNameResolver(resolver, says('192.0.2.1', '2001:db8::1'))
    expect(await resolve('crm')).toEqual({
      addresses: ['192.0.2.1', '2001:db8::1'],
      ttlSeconds: 10,
    })
  })
})

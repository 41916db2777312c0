import {
  type AddressInfo,
  createServer as createPlainServer,
  type Server,
  type Socket,
} from 'node:net'
import { createServer } from 'node:tls'
import { Redis } from 'ioredis'
import { describe, expect, it, onTestFinished } from 'vitest'
import { examineRedis } from '../../../src/cli/doctor/redis.ts'
import { createLogger } from '../../../src/observability/log.ts'
import type { RedisAccess, RedisServers } from '../../../src/store/redis/clients.ts'
import { findFreePort } from '../../support/free-port.ts'
import { startRedis } from '../../support/redis.ts'
import { createSelfSigned } from '../../support/self-signed.ts'

describe('a Redis that answers and takes no writes', () => {
  it.each([
    ['is full', ['CONFIG', 'SET', 'maxmemory', '1mb'], 'Redis is full, and takes no writes'],
    ['is a replica', ['REPLICAOF', '127.0.0.1', '9'], 'Redis is a replica, and takes no writes'],
  ])('because it %s is a failure', async (_why, [command = '', ...args], what) => {
    const redis = await startRedis()
    onTestFinished(redis.stop)
    const admin = new Redis(redis.url)
    onTestFinished(() => admin.disconnect())
    expect(await examine(redis.url)).toEqual([])
    await admin.call(command, ...args)
    expect(await examine(redis.url)).toEqual([what])
  })
})

describe('a Redis that does not answer', () => {
  it('is a failure with the reason: its database does not exist', async () => {
    const redis = await startRedis()
    onTestFinished(redis.stop)
    const [failed, ...others] = await examine(`${redis.url}/99`)
    expect(failed).toMatch(/^Redis does not answer: .*DB index is out of range/)
    expect(others).toEqual([])
  })

  it.each([
    ['anybody', ''],
    ['whoever has a password', 'word'],
  ])(
    'is a failure with the reason: it speaks no TLS, and is open to %s',
    async (_who, password) => {
      const redis = await startRedis()
      onTestFinished(redis.stop)
      const admin = new Redis(redis.url)
      onTestFinished(() => admin.disconnect())
      await admin.config('SET', 'requirepass', password)
      const server = `127.0.0.1:${redis.port}`
      const nodes = [{ host: '127.0.0.1', port: redis.port }]
      const expected = [`Redis at ${server} speaks no TLS`]
      expect(await examine(`rediss://:word@${server}`)).toEqual(expected)
      expect(await examineServers({ cluster: nodes }, { tls: {} })).toEqual(expected)
      expect(await examineServers({ sentinels: nodes, name: 'm' }, { tls: {} })).toEqual(expected)
    },
  )

  it('is a failure with the reason: its certificate, where it speaks TLS', async () => {
    const server = createServer(createSelfSigned(['localhost'])).on('tlsClientError', () => {})
    const port = await listen(server)
    expect(await examine(`rediss://127.0.0.1:${port}`)).toEqual([
      expect.stringMatching(/^Redis does not answer: .*self-signed certificate/),
    ])
  })

  it('is not taken for one without TLS where nobody is there, or nobody speaks', async () => {
    const silent = await listen(createPlainServer())
    for (const port of [await findFreePort(), silent]) {
      const [failed] = await examine(`rediss://127.0.0.1:${port}`)
      expect(failed).toMatch(/^Redis does not answer: /)
    }
  })
})

async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => sockets.add(socket))
  await new Promise<void>(resolve => void server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const examine = (url: string): Promise<string[]> => examineServers({ url })

async function examineServers(servers: RedisServers, access: RedisAccess = {}): Promise<string[]> {
  const findings = await examineRedis({ servers, access }, createLogger('silent'), () => 0)
  // What it says of the clock is another matter: this one stands still.
  const failed = findings.filter(({ level, what }) => level === 'fail' && !/^clock/.test(what))
  return failed.map(({ what }) => what)
}

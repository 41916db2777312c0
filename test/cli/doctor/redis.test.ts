import { Redis } from 'ioredis'
import { describe, expect, it, onTestFinished } from 'vitest'
import { examineRedis } from '../../../src/cli/doctor/redis.ts'
import { createLogger } from '../../../src/observability/log.ts'
import { startRedis } from '../../support/redis.ts'

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
})

async function examine(url: string): Promise<string[]> {
  const findings = await examineRedis({ servers: { url } }, createLogger('silent'), () => 0)
  // What it says of the clock is another matter: this one stands still.
  const failed = findings.filter(({ level, what }) => level === 'fail' && !/^clock/.test(what))
  return failed.map(({ what }) => what)
}

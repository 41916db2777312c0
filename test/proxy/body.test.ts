import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { type HeldBody, holdBody } from '../../src/proxy/body.ts'
import { IncomingRequest } from '../../src/proxy/incoming-request.ts'

function hold(Request: typeof IncomingMessage, limit: number) {
  const req = new Request(new Socket())
  const held = Promise.withResolvers<HeldBody>()
  holdBody(req, limit, held.resolve)
  return { req, held: held.promise }
}

describe.each([
  ['as a stream', IncomingMessage],
  ['from the parser', IncomingRequest],
])('a body that comes in many pieces %s', (_from, Request) => {
  test.each([1, 2, 255, 256, 257, 512, 1000])('is one in their order: %i', async count => {
    const { req, held } = hold(Request, 10_000)
    const pieces = Array.from({ length: count }, (_, index) => `${index},`)
    for (const piece of pieces) req.push(Buffer.from(piece))
    req.push(null)
    expect(await held).toEqual({ outcome: 'held', body: Buffer.from(pieces.join('')) })
  })

  test('costs little more than it holds, however small they are', async () => {
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    const { req, held } = hold(Request, 1_000_000)
    req.resume()
    await new Promise(resolve => setImmediate(resolve))
    collect()
    const before = process.memoryUsage().heapUsed
    for (let sent = 0; sent < 500_000; sent += 1) req.push(Buffer.from('x'))
    await new Promise(resolve => setImmediate(resolve))
    collect()
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(10_000_000)
    req.push(null)
    expect(await held).toMatchObject({ outcome: 'held', body: { length: 500_000 } })
  })
})

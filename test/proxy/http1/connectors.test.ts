import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Connector } from '../../../src/proxy/exchange.ts'
import { createPlainConnector } from '../../../src/proxy/http1/plain-connector.ts'

import { createUndiciConnector, flattenFields } from '../../../src/proxy/undici-connector.ts'
import { cut, cuts, damagedAnswer, goodAnswer } from './answers.ts'
import type { Method } from './readers.ts'

const numRuns = Number(process.env.FUZZ_RUNS ?? 2000) / 20
const OPTIONS = { connectTimeoutMs: 5000, connections: 10 }

type Told = { outcome: 'complete' | 'broken'; status?: number; fields?: string[]; body?: string }

describe('an answer over a real connection', () => {
  let pieces: readonly Buffer[] = []
  let plain: Connector
  let undici: Connector
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.once('data', async () => {
      for (const piece of pieces) {
        socket.write(piece)
        await new Promise(resolve => setImmediate(resolve))
      }
      socket.end()
    })
  })

  beforeAll(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    plain = createPlainConnector(new URL(origin), OPTIONS)
    undici = createUndiciConnector(origin, OPTIONS)
  })

  afterAll(async () => {
    await Promise.all([plain.close(), undici.close()])
    server.close()
  })

  test('is told alike by both kinds of connection where it keeps to the grammar', async () => {
    await fc.assert(
      fc.asyncProperty(goodAnswer, cuts, async ({ method, text }, places) => {
        pieces = cut(text, places)
        const ours = await ask(plain, method)
        expect(ours.outcome).toBe('complete')
        expect(ours).toEqual(await ask(undici, method))
      }),
      { numRuns },
    )
  })

  test('is told by ours only as by undici’s, however it is damaged', async () => {
    await fc.assert(
      fc.asyncProperty(damagedAnswer, cuts, async ({ method, text }, places) => {
        // See the decision on connections of our own: undici closes it there.
        fc.pre(!/HTTP\/1\.[01] 100/.test(text))
        pieces = cut(text, places)
        const ours = await ask(plain, method)
        if (ours.outcome === 'complete') expect(ours).toEqual(await ask(undici, method))
      }),
      { numRuns },
    )
  })
})

function ask(connector: Connector, method: Method): Promise<Told> {
  const told: Told = { outcome: 'complete', body: '' }
  const body = method === 'POST' ? Buffer.from('{}') : undefined
  return new Promise(resolve => {
    connector.dispatch(
      { method, path: '/', fields: [], body, headersTimeoutMs: 5000 },
      {
        onStart: () => {},
        onHead(status, _reason, rawFields) {
          told.status = status
          told.fields = flattenFields([...rawFields])
        },
        onData(chunk) {
          told.body += chunk.toString('latin1')
        },
        onEnd: () => resolve(told),
        onFailure: () => resolve({ outcome: 'broken' }),
      },
    )
  })
}

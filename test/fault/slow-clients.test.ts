/** Clients that send or read as slowly as they can, by slowhttptest, against a process with small limits; others go on beside them. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { createServer } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listen } from '../../src/dev/listen.ts'
import { type Edge, startEdge } from '../support/edge.ts'
import { waitFor } from '../support/wait-for.ts'
import { call, type Session } from './client.ts'

const CONNECTIONS = 100
const SECONDS = 5
/** More than the system takes off our hands for one connection. */
const LARGE = Buffer.alloc(8_000_000, 'x')
/** Far above what a call takes here, even beside other tests; far below what an attack could make of it. */
const SANE_MS = 2000

let edge: Edge
let session: Session
let closeBackend: () => Promise<void>
beforeAll(async () => {
  const server = createServer((req, res) => {
    req.resume()
    req.on('end', () =>
      res.end(req.method === 'GET' ? LARGE : '{"jsonrpc":"2.0","id":1,"result":{}}'),
    )
  })
  const { origin, close } = await listen(server, 0, '127.0.0.1')
  closeBackend = async () => {
    server.closeAllConnections()
    await close()
  }
  edge = await startEdge([`${origin}/mcp`], {
    keepAlive: '1s',
    limits: { stall: '1s', body: '64KiB', streamsPerSubject: 1000 },
    log: { level: 'warn' },
  })
  session = await edge.signIn()
})
afterAll(async () => {
  await edge?.close()
  await closeBackend?.()
})

describe('slowhttptest', () => {
  it.each([
    ['slow heads', 'slow_request', '/crm/mcp', ['-H', '-i', '1']],
    ['slow bodies', 'slow_body', '/token', ['-B', '-i', '1', '-s', '8192', '-x', '5']],
    [
      'slow readers',
      'slow_reader',
      '/crm/mcp',
      ['-X', '-n', '1', '-z', '5', '-w', '1', '-y', '512'],
    ],
  ])(
    '%s are cut off, and others are served meanwhile',
    async (_, reason, path, mode) => {
      const before = { open: await countSockets(), refused: await countRefused(reason) }
      const attack = startAttack(path, mode)
      const calls = callUntil(attack.exited)
      await waitFor(async () => (await countSockets()) > before.open + CONNECTIONS / 2, {
        what: 'the attack to be under way',
        intervalMs: 5,
      })
      await waitFor(async () => (await countRefused(reason)) >= before.refused + CONNECTIONS, {
        what: 'all of it to be refused',
        timeoutMs: 15_000,
      })
      await attack.exited
      expect(attack.output()).toContain('service available:   YES')
      const { failures, count, slowestMs } = await calls
      expect(failures).toEqual([])
      expect(count).toBeGreaterThan(10)
      expect(slowestMs).toBeLessThan(SANE_MS)
      await waitFor(async () => (await countSockets()) <= before.open + 2, {
        what: 'the connections to be gone',
      })
    },
    40_000,
  )

  it('is nothing to wake somebody for', () => {
    expect(
      edge.gateway
        .logs()
        .split('\n')
        .filter(line => line.includes('"level":"error"')),
    ).toEqual([])
  })
})

function startAttack(path: string, mode: readonly string[]) {
  const limits = ['-c', `${CONNECTIONS}`, '-r', `${CONNECTIONS * 5}`, '-l', `${SECONDS}`, '-p', '5']
  const url = ['-u', `http://127.0.0.1:${edge.port}${path}`]
  // The tool knows no other way to a field of one's own.
  const token = ['-j', `a=b\r\nAuthorization: Bearer ${session.accessToken}`]
  const child = spawn('slowhttptest', [...mode, ...limits, ...url, ...token])
  let output = ''
  child.stdout.on('data', chunk => {
    output += chunk
  })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the tool colours what it says
  const plain = () => output.replaceAll(/\x1b\[[0-9;]*m/g, '')
  return { exited: once(child, 'exit'), output: plain }
}

/** One call after the other, as a client of the gateway makes them. */
async function callUntil(over: Promise<unknown>) {
  let isOver = false
  void over.then(() => {
    isOver = true
  })
  const failures: unknown[] = []
  let [count, slowestMs] = [0, 0]
  while (!isOver) {
    const since = performance.now()
    const answer = await call(session, edge.gateway).catch((error: unknown) => ({ status: error }))
    if (answer.status !== 200) failures.push(answer.status)
    slowestMs = Math.max(slowestMs, performance.now() - since)
    count += 1
  }
  return { failures, count, slowestMs }
}

/** Descriptors of the gateway's process. */
async function countSockets(): Promise<number> {
  return (await readdir(`/proc/${edge.gateway.pid}/fd`)).length
}

async function countRefused(reason: string): Promise<number> {
  const text = await (await fetch(`${edge.gateway.opsOrigin}/metrics`)).text()
  const line = new RegExp(`^mcp_gateway_refused_requests_total\\{reason="${reason}"\\} (\\d+)`, 'm')
  return Number(line.exec(text)?.[1] ?? 0)
}

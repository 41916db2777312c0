import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connectLegacy, connectModern } from '../support/mcp-clients.ts'
import type { RecordedRequest } from '../support/recording-backend.ts'
import { waitFor } from '../support/wait-for.ts'
import { type Era, type Landscape, mcpUrl, startLandscape } from './landscape.ts'
import { registerClient, signIn } from './oauth-client.ts'

const BEAT_MS = 1000
/** Timers and a loaded machine move an event a little; a buffer would move it by beats. */
const SLACK_MS = 300

let landscape: Landscape
const tokens: Record<Era, string> = { legacy: '', modern: '' }
beforeAll(async () => {
  landscape = await startLandscape()
  const client = await registerClient(landscape)
  for (const era of ['legacy', 'modern'] as const) {
    const { accessToken } = await signIn(landscape, client, mcpUrl(landscape, era))
    tokens[era] = accessToken
  }
})
afterAll(() => landscape.close())

describe('event streams (known failure 47)', () => {
  it('delivers events one second apart that the backend sends one second apart', async () => {
    const startedAt = performance.now()
    const response = await callSlowCount({ to: 3, delayMs: BEAT_MS })
    expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/)
    const arrivals: number[] = []
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      for (const _ of chunk.matchAll(/notifications\/progress/g)) arrivals.push(performance.now())
    }
    const endedAt = performance.now()
    expect(arrivals).toHaveLength(3)
    const gaps = arrivals.map((at, index) => at - (arrivals[index - 1] ?? startedAt))
    for (const gap of gaps) expect(gap).toBeGreaterThan(BEAT_MS - SLACK_MS)
    // The first one was here long before the last one was sent.
    expect(endedAt - arrivals[0]!).toBeGreaterThan(2 * BEAT_MS - SLACK_MS)
  })

  it('sends the head of a stream at once, long before its first event', async () => {
    const startedAt = performance.now()
    const leaving = new AbortController()
    const response = await callSlowCount({ to: 1, delayMs: 60_000 }, leaving.signal)
    expect(response.status).toBe(200)
    expect(performance.now() - startedAt).toBeLessThan(5000)
    await expectAborted(findOpen(), () => leaving.abort())
  })

  it.each([
    ['SDK v1', 'legacy', connectLegacy],
    ['SDK v2', 'modern', connectModern],
  ] as const)('brings the progress of a tool to %s while it is made', async (_, era, connect) => {
    const client = await connect(mcpUrl(landscape, era), tokens[era])
    const arrivals: { progress: number; at: number }[] = []
    const answer = await client.call(
      'slow_count',
      { to: 3, delayMs: 400 },
      { onprogress: ({ progress }) => arrivals.push({ progress, at: performance.now() }) },
    )
    expect(answer).toBe('counted to 3')
    expect(arrivals.map(({ progress }) => progress)).toEqual([1, 2, 3])
    expect(arrivals[2]!.at - arrivals[0]!.at).toBeGreaterThan(800 - SLACK_MS)
    await client.close()
  })
})

describe('cancellation (known failure 50)', () => {
  it('shows the backend at once that the client has gone in the middle of a stream', async () => {
    const leaving = new AbortController()
    const response = await callSlowCount({ to: 60, delayMs: 100 }, leaving.signal)
    const reader = response.body!.getReader()
    await reader.read()
    const request = findOpen()
    await expectAborted(request, () => leaving.abort())
  })

  it('shows the backend at once that the client has gone before the first event', async () => {
    const leaving = new AbortController()
    await callSlowCount({ to: 1, delayMs: 60_000 }, leaving.signal)
    await expectAborted(findOpen(), () => leaving.abort())
  })

  it.each([
    ['SDK v1', 'legacy', connectLegacy],
    ['SDK v2', 'modern', connectModern],
  ] as const)('ends the call at the backend when %s is closed', async (_, era, connect) => {
    const client = await connect(mcpUrl(landscape, era), tokens[era])
    const calling = client.call('slow_count', { to: 1, delayMs: 60_000 })
    const settled = expect(calling).rejects.toThrow()
    const request = await waitFor(() => findOpen(era), { what: 'the call to reach the backend' })
    await expectAborted(request, () => void client.close())
    await settled
  })
})

function callSlowCount(input: { to: number; delayMs: number }, signal?: AbortSignal) {
  const params = { name: 'slow_count', arguments: input, _meta: { progressToken: 'steps' } }
  return fetch(mcpUrl(landscape), {
    method: 'POST',
    headers: {
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${tokens.legacy}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
    ...(signal && { signal }),
  })
}

/** The call of `slow_count` that a backend is at work on. */
function findOpen(era: Era = 'legacy'): RecordedRequest {
  const requests = landscape.backends[era].flatMap(backend => backend.requests)
  const open = requests.filter(
    ({ outcome, body }) => outcome === 'open' && body.includes('slow_count'),
  )
  if (open.length !== 1) throw new Error(`${open.length} calls are open`)
  return open[0]!
}

async function expectAborted(request: RecordedRequest, leave: () => void): Promise<void> {
  expect(request.outcome).toBe('open')
  leave()
  await waitFor(() => request.outcome === 'aborted', {
    what: 'the backend to see that the client has gone',
    timeoutMs: 1500,
  })
}

import { waitFor } from '../support/wait-for.ts'

/** What was asked of a load balancer while something happened behind it, and what came of it. */
export type Load = {
  /** Answered as it must be. */
  calls: number
  /** Event streams that came to their end, with every event. */
  streams: number
  /** Token requests that were answered with tokens. */
  refreshes: number
  /** Everything else. */
  lost: string[]
  /** Ends it; resolves when the last answer is there. */
  stop(): Promise<void>
  /** Resolves when so much more has been answered. */
  more(calls: number): Promise<void>
}

export type LoadOptions = {
  mcpUrl: string
  accessToken: string
  /** Redeems a refresh token; resolves with the next one. */
  refresh: () => Promise<void>
  /** Calls at once. */
  concurrency: number
  /** Events of each stream, a second apart. */
  streamSeconds: number
}

const PAUSE_BETWEEN_REFRESHES_MS = 250

/** Calls, streams and refreshes without a pause, each from loops of its own. */
export function startLoad(options: LoadOptions): Load {
  const { mcpUrl, accessToken, refresh, concurrency, streamSeconds } = options
  let isOver = false
  const load = { calls: 0, streams: 0, refreshes: 0, lost: [] as string[] }
  const loop = async (kind: 'calls' | 'streams' | 'refreshes', act: () => Promise<void>) => {
    while (!isOver) {
      try {
        await act()
        load[kind] += 1
      } catch (error) {
        load.lost.push(`${kind}: ${describe(error)}`)
      }
    }
  }
  const call = (tool: string, args: object) => callTool(mcpUrl, accessToken, tool, args)
  const add = async () => requireText(await call('add', { a: 19, b: 23 }), '"42"')
  const count = async () => {
    const text = await call('slow_count', { to: streamSeconds, delayMs: 1000 })
    const events = text.match(/notifications\/progress/g)?.length ?? 0
    if (events !== streamSeconds) throw new Error(`${events} of ${streamSeconds} events came`)
    requireText(text, `counted to ${streamSeconds}`)
  }
  const refreshSlowly = async () => {
    await refresh()
    const until = performance.now() + PAUSE_BETWEEN_REFRESHES_MS
    await waitFor(() => isOver || performance.now() > until, { what: 'the next refresh' })
  }
  const loops = [
    ...Array.from({ length: concurrency }, () => loop('calls', add)),
    ...Array.from({ length: concurrency }, () => loop('streams', count)),
    loop('refreshes', refreshSlowly),
  ]
  return Object.assign(load, {
    stop: async () => {
      isOver = true
      await Promise.all(loops)
    },
    more: async (calls: number) => {
      const goal = load.calls + calls
      await waitFor(() => load.calls >= goal, { what: 'more calls', timeoutMs: 20_000 })
    },
  })
}

/** @returns the whole answer, be it JSON or an event stream */
async function callTool(url: string, token: string, name: string, input: object): Promise<string> {
  const params = { name, arguments: input, _meta: { progressToken: 'steps' } }
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
  })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${response.status} ${text}`)
  return text
}

function requireText(text: string, part: string): void {
  if (!text.includes(part)) throw new Error(`no ${part} in ${text}`)
}

function describe(error: unknown): string {
  const { message, cause } = error as Error
  return cause instanceof Error ? `${message} (${cause.message})` : message
}

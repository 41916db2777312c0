import { afterEach, describe, expect, it } from 'vitest'
import { startLegacyBackend } from './legacy-backend.ts'
import { type Connect, connectLegacy, connectModern } from './mcp-clients.ts'
import { startModernBackend } from './modern-backend.ts'
import { type BackendOptions, fieldValues, type RecordingBackend } from './recording-backend.ts'
import { waitFor } from './wait-for.ts'

const CASES: {
  era: string
  start: (options: BackendOptions) => Promise<RecordingBackend>
  connect: Connect
  stranger: Connect
}[] = [
  { era: 'legacy', start: startLegacyBackend, connect: connectLegacy, stranger: connectModern },
  { era: 'modern', start: startModernBackend, connect: connectModern, stranger: connectLegacy },
]

const open: RecordingBackend[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map(backend => backend.close()))
})

describe.each(CASES)('the $era backend', ({ start, connect, stranger }) => {
  async function startOne(options: Partial<BackendOptions> = {}) {
    const backend = await start({ instance: 'one', ...options })
    open.push(backend)
    return backend
  }

  it('serves its tools and counts the runs of record_call', async () => {
    const backend = await startOne()
    const client = await connect(backend.url)
    expect((await client.toolNames()).sort()).toEqual([
      'add',
      'record_call',
      'slow_count',
      'whoami',
    ])
    expect(await client.call('add', { a: 1, b: 2 })).toBe('3')
    expect(await client.call('record_call')).toBe('1')
    expect(backend.recordedCalls()).toBe(1)
    expect(JSON.parse(await client.call('whoami'))).toEqual({ instance: 'one' })
    await client.close()
  })

  it('does not speak the other era', async () => {
    const backend = await startOne()
    await expect(stranger(backend.url)).rejects.toThrow()
  })

  it('records what reaches it, byte for byte', async () => {
    const backend = await startOne({ headers: { 'set-cookie': 'a=b' } })
    const body = '{"jsonrpc":"2.0",  "id":1,"method":"nothing"}'
    const response = await fetch(backend.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'X-Odd-Case': 'kept' },
      body,
    })
    await response.body?.cancel()
    expect(response.headers.get('set-cookie')).toBe('a=b')
    expect(backend.requests).toHaveLength(1)
    expect(backend.requests[0]).toMatchObject({ method: 'POST', url: '/mcp', body })
    expect(fieldValues(backend.requests[0]!, 'x-odd-case')).toEqual(['kept'])
  })

  it('answers 401 to a token that it is told to refuse', async () => {
    const backend = await startOne({ requireToken: token => token === 'good' })
    const client = await connect(backend.url, 'good')
    expect(await client.call('add', { a: 1, b: 1 })).toBe('2')
    backend.requireToken(() => false)
    await expect(client.call('add', { a: 1, b: 1 })).rejects.toThrow()
    await client.close()
  })

  it('sees at once that a client has gone in the middle of a stream', async () => {
    const backend = await startOne()
    const client = await connect(backend.url)
    const leaving = new AbortController()
    const steps: number[] = []
    const counting = client.call(
      'slow_count',
      { to: 600, delayMs: 20 },
      { onprogress: ({ progress }) => steps.push(progress), signal: leaving.signal },
    )
    await Promise.race([counting, waitFor(() => steps.length > 1, { what: 'two steps' })])
    leaving.abort()
    await expect(counting).rejects.toThrow()
    await client.close()
    await waitFor(() => backend.requests.some(({ outcome }) => outcome === 'aborted'), {
      what: 'the backend to see it',
      timeoutMs: 1000,
    })
  })
})

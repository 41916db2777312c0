import type { FetchedJson, GuardedFetch } from './guarded-fetch.ts'

/**
 * A GET of a URL that the operator has chosen, or that somebody whom the operator trusts has named: inside the company's network too, by whatever way leads there.
 * Otherwise as guarded as a stranger's: https, or http on loopback, no redirects, a bounded body, a bounded time, JSON only. Never throws for what the other side does.
 *
 * @param isPermitted judges the URL
 */
export function createTrustedFetch(
  send: typeof fetch,
  isPermitted: (url: URL) => boolean,
  timeoutMs = 5000,
): GuardedFetch {
  return async (url, maxBytes) => {
    const target = URL.parse(url)
    if (!target || !isPermitted(target)) return { outcome: 'refused', reason: 'not an https URL' }
    try {
      const response = await send(target, {
        headers: { accept: 'application/json', 'user-agent': 'mcp-auth-gateway' },
        redirect: 'manual',
        signal: AbortSignal.timeout(timeoutMs),
      })
      if (response.status === 200) return await readBoundedJson(response, maxBytes)
      await response.body?.cancel()
      return { outcome: 'unreachable', reason: `status ${response.status}` }
    } catch (error) {
      const name = error instanceof Error ? error.name : 'unknown'
      return { outcome: 'unreachable', reason: `the request failed: ${name}` }
    }
  }
}

/** Reads an answer's JSON, and no more of it than is allowed. Throws where the connection breaks. */
export async function readBoundedJson(response: Response, maxBytes: number): Promise<FetchedJson> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > maxBytes) return { outcome: 'refused', reason: `more than ${maxBytes} bytes` }
    chunks.push(chunk)
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString())
    return { outcome: 'fetched', value, headers: Object.fromEntries(response.headers) }
  } catch {
    return { outcome: 'refused', reason: 'not JSON' }
  }
}

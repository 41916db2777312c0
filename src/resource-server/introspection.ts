import { LRUCache } from 'lru-cache'
import { digest } from '../domain/secret.ts'
import { readBoundedJson } from '../http/trusted-fetch.ts'
import { type WatchCache, watchNothing } from '../observability/caches.ts'
import type { Logger } from '../observability/log.ts'
import { readAccessToken, type TokenRules } from './access-token.ts'
import { refused, unavailable, type Verification, type VerifyPresented } from './verification.ts'

export type IntrospectionOptions = {
  /** Finds the endpoint; throws `OAuthError` where it cannot be found now. */
  locate: () => Promise<string>
  clientId: string
  clientSecret: string
  authMethod: 'client_secret_basic' | 'client_secret_post'
  rules: TokenRules
  /** How long an answer is good, unless the token ends before: the longest that a revoked token still works. */
  cacheSeconds: number
  timeoutMs: number
  send: typeof fetch
  logger: Logger
  /** Epoch seconds. */
  now: () => number
  watchCache?: WatchCache
}

const MAX_BYTES = 256 * 1024
/** A refusal is remembered for a moment, so that a client that tries again at once costs nothing. */
const REFUSED_SECONDS = 1
const REFUSALS_REMEMBERED = 10_000
/** Strangers can make up tokens; beyond this many at once they are told to come again. Whoever had a genuine one a while ago is asked about all the same. */
const AT_ONCE = 256
const GENUINE_REMEMBERED = 10_000

/**
 * Asks the authorization server about access tokens, once for all that ask about the same one at the same time. What it has answered in the affirmative is for the caller to
 * remember, until `goodUntil`.
 *
 * @see RFC 7662 sections 2 and 4
 */
export function createIntrospection(options: IntrospectionOptions): VerifyPresented {
  const { now, watchCache = watchNothing } = options
  const underWay = new Map<string, Promise<Verification>>()
  const refusals = new LRUCache<string, { answer: Verification; until: number }>({
    max: REFUSALS_REMEMBERED,
  })
  const genuine = new LRUCache<string, true>({ max: GENUINE_REMEMBERED })
  const { hits, misses } = watchCache('refused_tokens', () => refusals.size)
  watchCache('known_tokens', () => genuine.size)
  const ask = async (id: string, token: string): Promise<Verification> => {
    const answer = await introspect(token, options)
    if (answer.outcome === 'genuine') genuine.set(id, true)
    if (answer.outcome === 'refused') {
      genuine.delete(id)
      refusals.set(id, { answer, until: now() + REFUSED_SECONDS })
    }
    return answer
  }
  return async token => {
    const id = digest(token)
    const known = refusals.get(id)
    if (known && known.until > now()) {
      hits.value += 1
      return known.answer
    }
    misses.value += 1
    const joined = underWay.get(id)
    if (joined) return joined
    if (underWay.size >= AT_ONCE && !genuine.has(id))
      return unavailable('too many introspections at once', 1)
    const asked = ask(id, token).finally(() => underWay.delete(id))
    underWay.set(id, asked)
    return asked
  }
}

async function introspect(token: string, options: IntrospectionOptions): Promise<Verification> {
  const { rules, cacheSeconds, logger, now } = options
  const askedAt = now()
  const fetched = await send(token, options).catch((error: unknown) => ({
    outcome: 'unreachable' as const,
    reason: error instanceof Error ? error.message : 'unknown',
  }))
  if (fetched.outcome !== 'fetched') {
    logger.error({ reason: fetched.reason }, 'the authorization server did not introspect a token')
    return unavailable(`introspection: ${fetched.reason}`)
  }
  const { active, ...claims }: Record<string, unknown> = { ...Object(fetched.value) }
  if (active === false) return refused('not active')
  if (active !== true) return unavailable('introspection: not an answer')
  // The answer is the configured server's; it need not repeat who that is.
  const read = readAccessToken({ iss: rules.issuer, ...claims }, undefined, rules, now())
  if (typeof read === 'string') return refused(read)
  const goodUntil = Math.min(read.expiresAt, askedAt + cacheSeconds)
  return { outcome: 'genuine', token: read, goodUntil }
}

async function send(
  token: string,
  { locate, clientId, clientSecret, authMethod, timeoutMs, send }: IntrospectionOptions,
) {
  const endpoint = await locate()
  const isBasic = authMethod === 'client_secret_basic'
  const response = await send(endpoint, {
    method: 'POST',
    headers: {
      accept: 'application/json',
      'user-agent': 'mcp-auth-gateway',
      ...(isBasic && { authorization: basic(clientId, clientSecret) }),
    },
    body: new URLSearchParams({
      token,
      token_type_hint: 'access_token',
      ...(!isBasic && { client_id: clientId, client_secret: clientSecret }),
    }),
    redirect: 'manual',
    signal: AbortSignal.timeout(timeoutMs),
  })
  if (response.status === 200) return readBoundedJson(response, MAX_BYTES)
  await response.body?.cancel()
  return { outcome: 'unreachable' as const, reason: `status ${response.status}` }
}

/** @see RFC 6749 section 2.3.1 */
function basic(clientId: string, clientSecret: string): string {
  const encode = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1)
  return `Basic ${Buffer.from(`${encode(clientId)}:${encode(clientSecret)}`).toString('base64')}`
}

import { LRUCache } from 'lru-cache'
import type { DerivedToken, Grant } from '../domain/grant.ts'
import { type WatchCache, watchNothing } from '../observability/caches.ts'
import type { Logger } from '../observability/log.ts'
import type { ExchangeCredential } from '../upstream/credential.ts'
import { isSubjectRefused } from '../upstream/exchange.ts'
import type { UpstreamFailure } from '../upstream/failure.ts'
import { asJoined, type FreshToken, type Usable } from '../upstream/fresh-token.ts'
import { judgeFreshness } from '../upstream/freshness.ts'
import type { UpstreamOf } from '../upstream/refresh-context.ts'
import { describeOutage } from '../upstream/refresher.ts'
import { createCoolDown } from './cool-down.ts'

export type ExchangesOptions = {
  upstream: UpstreamOf
  logger: Logger
  /** Epoch seconds. */
  now: () => number
  /** Bound of one exchange, all tries together. */
  timeoutMs: number
  /** How many exchanged tokens are held at most. */
  cacheSize?: number
  watchCache?: WatchCache
}

/** Exchanged tokens, each held in this process for the presented one and its backend, and no longer than both live. */
export type Exchanges = {
  /** One that is at hand and fresh; where it will not be for long, another is on its way after that. */
  find(grant: Grant, credential: ExchangeCredential): Usable | undefined
  /** The failure of a moment ago; asked for where nothing was found, which is the miss that is counted: a call may look for a token twice. */
  findFailure(grantId: string): Failed | undefined
  /** Exchanges, once for all that ask for the same at the same time. Never rejects. */
  run(grant: Grant, credential: ExchangeCredential, correlationId?: string): Promise<FreshToken>
  /**
   * A backend has refused this token; it is not used again.
   *
   * @returns whether it is so young that another one will not be taken either
   */
  reject(grantId: string, accessToken: string): boolean
  /** Resolves when none is under way. */
  close(): Promise<void>
}

type Failed = Exclude<FreshToken, Usable>

const CACHE_SIZE = 20_000
const TOO_YOUNG_TO_BLAME_SECONDS = 5

export function createExchanges(options: ExchangesOptions): Exchanges {
  const { now, logger, watchCache = watchNothing } = options
  const held = new LRUCache<string, { derived: DerivedToken; jitter: number }>({
    max: options.cacheSize ?? CACHE_SIZE,
  })
  const { hits, misses } = watchCache('exchanged_tokens', () => held.size)
  const cooling = createCoolDown(watchCache)
  const running = new Map<string, Promise<FreshToken>>()

  const start = async (
    grant: Grant,
    credential: ExchangeCredential,
    log: Logger,
  ): Promise<FreshToken> => {
    const answer = await exchange(grant, credential, options, log).catch(failure =>
      describeOutage(failure, log),
    )
    if ('derived' in answer) {
      held.set(grant.grantId, { derived: answer.derived, jitter: Math.random() })
      return usable(grant, answer.derived.accessToken, 'refreshed')
    }
    cooling.begin(grant.grantId, answer)
    return answer
  }
  const run: Exchanges['run'] = (grant, credential, correlationId) => {
    const { grantId } = grant
    const joined = running.get(grantId)
    if (joined) return joined.then(asJoined)
    const log = logger.child({ grantId, ...(correlationId !== undefined && { correlationId }) })
    const work = start(grant, credential, log).finally(() => running.delete(grantId))
    running.set(grantId, work)
    return work
  }
  return {
    run,
    findFailure: grantId => {
      misses.value += 1
      return cooling.find(grantId)
    },
    find: (grant, credential) => {
      const { grantId, upstreamTokens } = grant
      const known = held.get(grantId)
      const isGood = known !== undefined && upstreamTokens.expiresAt > now()
      const freshness = isGood ? judgeFreshness(known.derived, now(), known.jitter) : 'stale'
      if (!isGood || freshness === 'stale') return undefined
      hits.value += 1
      const isDue = freshness === 'ahead' && !running.has(grantId) && !cooling.find(grantId)
      if (isDue) void run(grant, credential)
      return usable(grant, known.derived.accessToken, 'cache')
    },
    reject: (grantId, accessToken) => {
      const derived = held.get(grantId)?.derived
      if (derived?.accessToken !== accessToken) return false
      const ageSeconds = now() - derived.issuedAt
      if (ageSeconds >= 0 && ageSeconds < TOO_YOUNG_TO_BLAME_SECONDS) return true
      held.delete(grantId)
      return false
    },
    close: async () => void (await Promise.all(running.values())),
  }
}

async function exchange(
  grant: Grant,
  credential: ExchangeCredential,
  { upstream: upstreamOf, timeoutMs }: ExchangesOptions,
  logger: Logger,
): Promise<{ derived: DerivedToken } | Exclude<FreshToken, Usable>> {
  const upstream = upstreamOf(grant.upstream)
  if (!upstream) return answerTo({ kind: 'operator', error: 'unknown_upstream' }, logger)
  const result = await upstream.exchange(grant, credential, AbortSignal.timeout(timeoutMs))
  if (result.outcome === 'failed') return answerTo(result.failure, logger)
  logger.debug('token exchanged')
  return { derived: result.derived }
}

/** What an exchange that failed means to the call: a token that is not taken is its client's to replace; everything else passes, or an operator must look. */
function answerTo(failure: UpstreamFailure, logger: Logger): Exclude<FreshToken, Usable> {
  const { kind, error, status, description, retryAfterSeconds = 2 } = failure
  const line = { failure: kind, error, status, upstreamDescription: description }
  if (kind === 'dead' || (error === 'invalid_token' && isSubjectRefused(failure))) {
    logger.warn(line, 'the upstream does not exchange this token')
    return { outcome: 'gone', reason: error }
  }
  if (kind === 'operator')
    logger.error(line, 'the upstream refuses this gateway; its registration there needs attention')
  else logger.warn(line, 'the upstream did not exchange')
  return { outcome: 'unavailable', reason: `upstream_${kind}`, retryAfterSeconds }
}

export function usable(
  grant: Grant,
  accessToken: string | undefined,
  path: Usable['path'],
): Usable {
  return { outcome: 'usable', grant, accessToken, path }
}

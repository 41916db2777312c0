import type { Grant, GrantLifetime } from '../domain/grant.ts'
import type { WatchCache } from '../observability/caches.ts'
import type { Logger } from '../observability/log.ts'
import type { GrantStore, Invalidations } from '../store/port.ts'
import type { AssertionIssuer } from './assertions.ts'
import { findInjected, isLocal } from './credential.ts'
import type { FreshToken, Usable } from './fresh-token.ts'
import { createInjector, type InjectionOf, type Injector } from './injection.ts'
import type { RefreshOutcome, UpstreamOf } from './refresh-context.ts'
import { createRefresher, describeOutage, type Refresher } from './refresher.ts'
import { requireClaims } from './required-claims.ts'
import { createOnce, createTokenCache, type TokenCache } from './token-cache.ts'

/** The one source of upstream tokens; every entry uses it. */
export type UpstreamTokenSource = {
  /** The cached token where it is fresh: no promise, no store. For the hot path. */
  peek(grantId: string): Usable | undefined
  /** A fresh token, from wherever it takes. Never rejects. */
  resolve(grantId: string, correlationId: string): Promise<FreshToken>
  /**
   * A token other than `rejected`, which a backend has refused with 401: by another's refresh meanwhile, or by one that is forced now. Never rejects.
   *
   * @param claims what the backend wants of a login, as JSON, where it has said so: then no refresh helps
   */
  resolveAfterRejection(
    grantId: string,
    rejected: string,
    correlationId: string,
    claims?: string,
  ): Promise<FreshToken>
  /** Resolves when every refresh that is under way is stored. */
  close(): Promise<void>
}

export type UpstreamTokenSourceOptions = {
  grants: GrantStore
  invalidations: Invalidations
  upstream: UpstreamOf
  logger: Logger
  /** Epoch seconds. */
  now: () => number
  /** How long a grant is used without asking the store; the bound on a lost invalidation. */
  cacheMs?: number
  /** How many grants are held at most. */
  cacheSize?: number
  watchCache?: WatchCache
  /** Bound of one refresh, all tries together. */
  refreshTimeoutMs: number
  /** How long a grant lives; the upstream's own life may change with each refresh. */
  lifetime: GrantLifetime
  /** What the backend of a resource gets. */
  injectionOf: InjectionOf
  assertions: AssertionIssuer
}

/** A backend that refuses even a token this young is not helped by another one. */
const TOO_YOUNG_TO_BLAME_SECONDS = 5

export function createUpstreamTokenSource(
  options: UpstreamTokenSourceOptions,
): UpstreamTokenSource {
  const { invalidations, now, logger } = options
  const injector = createInjector(options.injectionOf, options.assertions)
  const sources = { ...options, injector }
  const refresher = createRefresher(sources)
  const cache = createTokenCache(options)
  const { hits, misses } = cache.counts
  const once = createOnce(cache.remember)
  const behind: RefreshBehind = (grant, correlationId) =>
    refreshBehind(refresher, cache, grant, correlationId)
  const unsubscribe = invalidations.subscribe(message => {
    if (message.kind !== 'grant') return
    cache.forget(message.grantId)
    once.spoil(message.grantId)
    refresher.wake(message.grantId)
  })
  const peek = (grantId: string): Usable | undefined => {
    const cached = cache.find(grantId)
    if (!cached) return undefined
    const { grant } = cached.usable
    const freshness = injector.judge(grant, now(), cached.jitter)
    if (freshness === 'stale') return undefined
    if (freshness === 'ahead') behind(grant)
    hits.value += 1
    const accessToken = injector.accessTokenOf(grant)
    return accessToken === cached.usable.accessToken
      ? cached.usable
      : { ...cached.usable, accessToken }
  }
  return {
    peek,
    resolve: async (grantId, correlationId) => {
      const known = peek(grantId)
      if (!known) misses.value += 1
      const answer =
        known ??
        cache.findGone(grantId) ??
        (await once.run(grantId, 'load', () =>
          load(sources, refresher, behind, grantId, correlationId),
        ))
      return noted(logger, answer, grantId, correlationId)
    },
    resolveAfterRejection: async (grantId, rejected, correlationId, claims) => {
      cache.forget(grantId)
      const refusal = { rejected, claims }
      const renew = () => renewRejected(sources, refresher, grantId, refusal, correlationId)
      const answer = await once.run(grantId, `renew ${rejected} ${claims ?? ''}`, renew)
      return noted(logger, answer, grantId, correlationId)
    },
    close: async () => {
      await refresher.close()
      unsubscribe()
    },
  }
}

/** The configuration has changed: the backend takes the tokens of another upstream now, or there is none. Another login sets it right. */
const OTHER_UPSTREAM: FreshToken = { outcome: 'gone', reason: 'other_upstream' }

type RefreshBehind = (grant: Grant, correlationId?: string) => void

/** The call goes out with the token it has; whatever comes of the refresh is met by a later one. */
function refreshBehind(
  refresher: Refresher,
  cache: TokenCache,
  grant: Grant,
  correlationId: string | undefined,
): void {
  const { grantId, upstreamTokens } = grant
  const { refreshToken, derived } = upstreamTokens
  const canRenew = refreshToken !== undefined || derived !== undefined
  if (!canRenew || !refresher.mayStart(grantId)) return
  const request = { force: false, ...(correlationId !== undefined && { correlationId }) }
  void refresher.refresh(grant, request).then(outcome => {
    // The channel says so too, but its messages may be lost.
    if (outcome.outcome === 'refreshed') cache.forgetOlder(grantId, outcome.grant.version)
    if (outcome.outcome === 'gone') cache.forget(grantId)
  })
}

type Sources = UpstreamTokenSourceOptions & { injector: Injector }

async function load(
  { grants, now, logger, injector }: Sources,
  refresher: Refresher,
  behind: RefreshBehind,
  grantId: string,
  correlationId: string,
): Promise<FreshToken> {
  try {
    const grant = await grants.find(grantId)
    if (!grant || grant.dead) return notUsable(grant)
    if (!injector.credentialOf(grant)) return OTHER_UPSTREAM
    const freshness = injector.judge(grant, now(), Math.random())
    if (freshness === 'stale') {
      return answerOf(await refresher.refresh(grant, { force: false, correlationId }), injector)
    }
    if (freshness === 'ahead') behind(grant, correlationId)
    return usable(grant, 'store', injector)
  } catch (failure) {
    return describeOutage(failure, logger.child({ grantId, correlationId }))
  }
}

async function renewRejected(
  { grants, now, logger, injector }: Sources,
  refresher: Refresher,
  grantId: string,
  { rejected, claims }: { rejected: string; claims: string | undefined },
  correlationId: string,
): Promise<FreshToken> {
  try {
    const grant = await grants.find(grantId)
    if (!grant || grant.dead) return notUsable(grant)
    const credential = injector.credentialOf(grant)
    if (!credential) return OTHER_UPSTREAM
    if (claims !== undefined && !isLocal(credential)) {
      const log = logger.child({ correlationId })
      return await requireClaims({ grants, now, logger: log }, grantId, claims)
    }
    // Our own word is not made better by a refresh at the upstream.
    if (credential.kind === 'assertion') injector.forgetAssertion(grantId)
    const injected = findInjected(grant.upstreamTokens, credential)
    const force = injected?.accessToken === rejected
    if (force && isTooYoungToBlame(now() - injected.issuedAt)) return { outcome: 'rejected' }
    if (!force && injector.judge(grant, now(), 0) !== 'stale') {
      return usable(grant, 'store', injector)
    }
    return answerOf(await refresher.refresh(grant, { force, correlationId }), injector)
  } catch (failure) {
    return describeOutage(failure, logger.child({ grantId, correlationId }))
  }
}

/** A token from the future says nothing about its age: the clock of whoever got it was off. */
function isTooYoungToBlame(ageSeconds: number): boolean {
  return ageSeconds >= 0 && ageSeconds < TOO_YOUNG_TO_BLAME_SECONDS
}

/** One line for each token that is not simply at hand; for following one call, so at debug. */
function noted(
  logger: Logger,
  answer: FreshToken,
  grantId: string,
  correlationId: string,
): FreshToken {
  const said =
    answer.outcome === 'usable'
      ? { path: answer.path, version: answer.grant.version }
      : {
          path: 'failed',
          outcome: answer.outcome,
          ...('reason' in answer && { reason: answer.reason }),
        }
  logger.debug({ correlationId, grantId, ...said }, 'upstream token resolved')
  return answer
}

function usable(grant: Grant, path: Usable['path'], { accessTokenOf }: Injector): Usable {
  return { outcome: 'usable', grant, accessToken: accessTokenOf(grant), path }
}

function notUsable(grant: Grant | undefined): FreshToken {
  return { outcome: 'gone', reason: grant?.dead?.error ?? 'revoked_or_expired' }
}

function answerOf(outcome: RefreshOutcome, injector: Injector): FreshToken {
  return outcome.outcome === 'refreshed' ? usable(outcome.grant, outcome.path, injector) : outcome
}

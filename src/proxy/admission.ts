import { LRUCache } from 'lru-cache'
import type { AccessTokenClaims, VerifyAccessToken } from '../domain/access-token.ts'
import { type WatchCache, watchNothing } from '../observability/caches.ts'

/** What an `Authorization` field says, before anybody has looked at the token. */
export type Credentials =
  | { outcome: 'absent' }
  | { outcome: 'malformed' }
  | { outcome: 'presented'; token: string }

/**
 * Whether a request may use a resource.
 *
 * - `unauthenticated`: it brought no bearer token.
 * - `invalid-token`: it brought one that opens nothing here. `reason` is for the log.
 * - `unavailable`: whoever has issued the token cannot be asked about it now.
 */
export type Admission =
  | { outcome: 'admitted'; claims: AccessTokenClaims }
  | { outcome: 'unauthenticated' }
  | { outcome: 'invalid-token'; reason: string }
  | { outcome: 'unavailable'; reason: string; retryAfterSeconds: number }

export type Admit = {
  /** The answer where it is known without verifying anything: no promise. */
  peek(authorization: string | undefined, resource: string): Admission | undefined
  resolve(authorization: string | undefined, resource: string): Promise<Admission>
}

export type AdmissionOptions = {
  verifyAccessToken: VerifyAccessToken
  /** Epoch seconds. */
  now: () => number
  /** How many verified tokens are remembered. Default 10 000. */
  cacheSize?: number
  watchCache?: WatchCache
}

const UNAUTHENTICATED: Admission = { outcome: 'unauthenticated' }
const ABSENT: Credentials = { outcome: 'absent' }
const MALFORMED: Credentials = { outcome: 'malformed' }
const SCHEME = 'bearer'
const CACHE_SIZE = 10_000
const TOKEN_CHARACTERS = /^[A-Za-z0-9\-._~+/]+=*$/

/**
 * Reads a bearer token out of an `Authorization` field. The scheme may be in any case; another scheme counts as no bearer token at all.
 *
 * @see RFC 6750 section 2.1, RFC 9110 section 11.4
 */
export function parseBearer(authorization: string | undefined): Credentials {
  if (authorization === undefined) return ABSENT
  const scheme = authorization.slice(0, SCHEME.length)
  if (scheme.toLowerCase() !== SCHEME) return ABSENT
  const rest = authorization.slice(SCHEME.length)
  if (rest.trim() === '') return ABSENT
  if (!rest.startsWith(' ')) return ABSENT
  const token = rest.trim()
  return TOKEN_CHARACTERS.test(token) ? { outcome: 'presented', token } : MALFORMED
}

/** A genuine token ends with what proves it, which is another for each. */
const KEY_CHARACTERS = 24

type Verified = {
  /** `Authorization` as it was sent. */
  field: string
  claims: AccessTokenClaims
}

/**
 * Remembers each genuine token until its `exp`, so that it is verified once per process. Only genuine tokens are remembered: what strangers send takes no memory.
 *
 * They are found by their last characters, then compared as a whole: to compare is cheap, while a key has to be hashed from its first character to its last for each request.
 */
export function createAdmission(options: AdmissionOptions): Admit {
  const { verifyAccessToken, now, watchCache = watchNothing } = options
  // The whole field, so that it is parsed only where it is not here.
  const verified = new LRUCache<string, Verified>({ max: options.cacheSize ?? CACHE_SIZE })
  const { hits, misses } = watchCache('access_tokens', () => verified.size)
  const remember = (field: string, claims: AccessTokenClaims): void => {
    verified.set(field.slice(-KEY_CHARACTERS), { field, claims })
  }

  return {
    peek(authorization, resource) {
      if (authorization === undefined) return UNAUTHENTICATED
      const known = verified.get(authorization.slice(-KEY_CHARACTERS))
      if (known?.field !== authorization) return undefined
      hits.value += 1
      return judge(known.claims, resource, now())
    },

    async resolve(authorization, resource) {
      const credentials = parseBearer(authorization)
      if (credentials.outcome !== 'presented') return withoutToken(credentials)
      misses.value += 1
      const claims = await verifyAccessToken(credentials.token)
      if (!claims) return { outcome: 'invalid-token', reason: 'not a valid access token of ours' }
      if (authorization !== undefined) remember(authorization, claims)
      return judge(claims, resource, now())
    },
  }
}

function withoutToken(credentials: Credentials): Admission {
  if (credentials.outcome === 'absent') return UNAUTHENTICATED
  return { outcome: 'invalid-token', reason: 'malformed bearer token' }
}

function judge(claims: AccessTokenClaims, resource: string, now: number): Admission {
  if (claims.expiresAt <= now) return { outcome: 'invalid-token', reason: 'expired' }
  if (claims.resource !== resource) {
    return { outcome: 'invalid-token', reason: 'issued for another resource' }
  }
  return { outcome: 'admitted', claims }
}

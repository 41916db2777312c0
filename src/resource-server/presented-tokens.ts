import { LRUCache } from 'lru-cache'
import type { AccessTokenClaims } from '../domain/access-token.ts'
import { type Grant, NO_UPSTREAM } from '../domain/grant.ts'
import type { Scope } from '../domain/scope.ts'
import { digest } from '../domain/secret.ts'
import { type WatchCache, watchNothing } from '../observability/caches.ts'
import type { PresentedToken } from './access-token.ts'
import type { Verification } from './verification.ts'

/** A backend as the tokens of the authorization server know it. */
export type TokenResource = {
  name: string
  resource: string
  /** What the tokens for it have among their `aud`. */
  audience: string
  /** The scopes that the gateway knows by name. */
  scopes: Scope
  /** Whose tokens the backend gets in exchange; `undefined` for one that needs none. */
  upstream: string | undefined
}

/**
 * The access tokens that have been found genuine, for as long as nobody needs to be asked again. They are held in memory only: a token must be at hand to be exchanged, and is
 * worth as much as what it would be sealed with.
 */
export type PresentedTokens = {
  /** What a verified token may do at each resource that it is for; by the whole `Authorization` field, so that it need not be parsed again. */
  find(authorization: string): ReadonlyMap<string, AccessTokenClaims> | undefined
  /** What stands for the token in place of a grant of ours, at one resource. */
  findGrant(grantId: string): Grant | undefined
  remember(
    authorization: string,
    token: string,
    verified: Verification & { outcome: 'genuine' },
  ): ReadonlyMap<string, AccessTokenClaims>
  forget(authorization: string): void
}

type Entry = {
  goodUntil: number
  claims: ReadonlyMap<string, AccessTokenClaims>
  grants: readonly Grant[]
}

const MAX_TOKENS = 10_000
/** Some vendors' tokens are ten thousand characters long. */
const MAX_CHARACTERS = 64 * 1024 * 1024

/** @param now epoch seconds */
export function createPresentedTokens(
  resources: readonly TokenResource[],
  now: () => number,
  max = MAX_TOKENS,
  watchCache: WatchCache = watchNothing,
): PresentedTokens {
  const grants = new Map<string, Grant>()
  const entries = new LRUCache<string, Entry>({
    max,
    maxSize: MAX_CHARACTERS,
    sizeCalculation: (_entry, authorization) => authorization.length,
    // One is never there without the other.
    dispose: entry => {
      for (const grant of entry.grants) {
        if (grants.get(grant.grantId) === grant) grants.delete(grant.grantId)
      }
    },
  })
  const { hits, misses } = watchCache('access_tokens', () => entries.size)
  return {
    find: authorization => {
      const entry = entries.get(authorization)
      const isGood = entry !== undefined && entry.goodUntil > now()
      if (isGood) hits.value += 1
      else misses.value += 1
      return isGood ? entry.claims : undefined
    },
    findGrant: grantId => grants.get(grantId),
    remember: (authorization, token, { token: read, goodUntil }) => {
      const fitting = resources.filter(({ audience }) => read.audience.includes(audience))
      // Of the field, not of the token: two spellings of one are two entries, and each ends with its own.
      const id = digest(authorization)
      const version = Math.floor(goodUntil)
      const made = fitting.map(resource => ({
        ...describeGrant(id, token, read, resource),
        // Another one each time that the authorization server is asked: it may say something else by now.
        version,
      }))
      const claims = new Map(made.map(grant => [grant.resource, describeClaims(grant, read)]))
      entries.set(authorization, { goodUntil, claims, grants: made })
      for (const grant of made) grants.set(grant.grantId, grant)
      return claims
    },
    forget: authorization => void entries.delete(authorization),
  }
}

/** @param id what is logged of the token */
function describeGrant(
  id: string,
  token: string,
  { identity, clientId, scope, issuedAt, expiresAt }: PresentedToken,
  { name, resource, scopes, upstream = NO_UPSTREAM }: TokenResource,
): Omit<Grant, 'version'> {
  return {
    grantId: `${id}.${name}`,
    clientId,
    clientName: clientId,
    upstream,
    identity,
    resource,
    scope: scope.map(granted => qualify(granted, scopes)),
    openedAt: issuedAt,
    upstreamTokens: { accessToken: token, issuedAt, expiresAt },
  }
}

/** Some vendors let clients ask for `api://crm/read` and write `read` into tokens, whose audience says the rest. */
function qualify(granted: string, scopes: Scope): string {
  if (scopes.includes(granted)) return granted
  const [qualified, ...more] = scopes.filter(name => name.endsWith(`/${granted}`))
  return qualified !== undefined && more.length === 0 ? qualified : granted
}

function describeClaims(
  { grantId, clientId, identity, resource, scope }: Grant,
  { tokenId, issuedAt, expiresAt }: PresentedToken,
): AccessTokenClaims {
  const { subject } = identity
  return { grantId, clientId, subject, resource, scope, tokenId, issuedAt, expiresAt }
}

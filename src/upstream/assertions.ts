import { sign } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { AssertionKey } from '../domain/assertion-key.ts'
import type { Grant } from '../domain/grant.ts'
import { createId } from '../domain/secret.ts'
import { type WatchCache, watchNothing } from '../observability/caches.ts'
import type { AssertionCredential } from './credential.ts'

/** Mints what backends get that take the gateway's word. */
export type AssertionIssuer = {
  /** The grant's assertion; the same one again until its last fifth, unless what it says has changed. */
  mint(grant: Grant, credential: AssertionCredential): string
  forget(grantId: string): void
}

const CACHE_SIZE = 20_000
const SPENT_PART = 0.8

/**
 * Assertions are JWTs that say who calls, by which client; a backend checks them against the gateway's `/jwks`. They are signed at once, without waiting: the hot path needs
 * one from time to time.
 *
 * @param issuer `publicUrl`
 * @param now epoch seconds
 * @see RFC 7519, RFC 7523 section 3
 */
export function createAssertionIssuer(
  { kid, privateKey }: AssertionKey,
  issuer: string,
  now: () => number,
  watchCache: WatchCache = watchNothing,
): AssertionIssuer {
  const minted = new LRUCache<string, { grant: Grant; token: string; until: number }>({
    max: CACHE_SIZE,
  })
  const { hits, misses } = watchCache('assertions', () => minted.size)
  const head = encode({ alg: 'ES256', typ: 'JWT', kid })

  return {
    mint: (grant, credential) => {
      const known = minted.get(grant.grantId)
      if (known && known.grant.identity === grant.identity && now() < known.until) {
        hits.value += 1
        return known.token
      }
      misses.value += 1
      const claims = describeUser(grant, credential, issuer, Math.floor(now()))
      const signed = `${head}.${encode(claims)}`
      const signature = sign('sha256', Buffer.from(signed), {
        key: privateKey,
        dsaEncoding: 'ieee-p1363',
      })
      const token = `${signed}.${signature.toString('base64url')}`
      const until = claims.iat + credential.ttlSeconds * SPENT_PART
      minted.set(grant.grantId, { grant, token, until })
      return token
    },
    forget: grantId => void minted.delete(grantId),
  }
}

function describeUser(
  { identity, clientId }: Grant,
  { audience, ttlSeconds }: AssertionCredential,
  issuer: string,
  now: number,
) {
  const { subject, issuer: idp, email, groups, roles } = identity
  return {
    iss: issuer,
    sub: subject,
    // A subject is unique only within its upstream.
    idp,
    aud: audience,
    client_id: clientId,
    ...(email !== undefined && { email }),
    ...(groups && { groups }),
    ...(roles && { roles }),
    iat: now,
    exp: now + ttlSeconds,
    jti: createId(),
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

import { createLocalJWKSet, type JWTVerifyGetKey } from 'jose'
import { JWKSNoMatchingKey } from 'jose/errors'
import type { ClientKeys } from '../../domain/client.ts'
import { OAuthError } from '../../domain/oauth-error.ts'
import { type PublicKeySet, parsePublicKeys } from '../../domain/public-keys.ts'
import type { GuardedFetch } from '../../http/guarded-fetch.ts'
import { type WatchCache, watchNothing } from '../../observability/caches.ts'
import type { Logger } from '../../observability/log.ts'
import { createRemoteDocuments, type RemoteDocument } from '../remote-documents.ts'

/**
 * Finds the key that a client's JWT says it was signed with. Keys at a URL are fetched again where none matches, since clients replace their keys.
 *
 * The resolver throws jose's errors where there is no such key, and `OAuthError` `temporarily_unavailable` where the keys cannot be had now.
 */
export type ClientKeySource = (keys: ClientKeys) => JWTVerifyGetKey

const MAX_JWKS_BYTES = 64 * 1024

/** @param now epoch seconds */
export function createClientKeySource(
  fetchJson: GuardedFetch,
  logger: Logger,
  now: () => number,
  watchCache: WatchCache = watchNothing,
): ClientKeySource {
  const remote = createRemoteDocuments({
    fetchJson,
    maxBytes: MAX_JWKS_BYTES,
    read: json => {
      const keys = parsePublicKeys(json)
      return typeof keys === 'string' ? keys : createKeySet(keys)
    },
    onFailure: (jwksUri, { outcome, reason }) =>
      logger.warn({ jwksUri, outcome, reason }, 'no keys of a client'),
    now,
    name: 'client_keys',
    watchCache,
  })
  const local = new WeakMap<PublicKeySet, JWTVerifyGetKey>()

  function findLocal(keys: PublicKeySet): JWTVerifyGetKey {
    const known = local.get(keys)
    if (known) return known
    const created = createKeySet(keys)
    local.set(keys, created)
    return created
  }

  function findRemote(jwksUri: string): JWTVerifyGetKey {
    return async (header, token) => {
      const keySet = demand(await remote.find(jwksUri))
      try {
        return await keySet(header, token)
      } catch (error) {
        if (!(error instanceof JWKSNoMatchingKey)) throw error
        return demand(await remote.renew(jwksUri))(header, token)
      }
    }
  }

  return keys => ('jwks' in keys ? findLocal(keys.jwks) : findRemote(keys.jwksUri))
}

function createKeySet({ keys }: PublicKeySet): JWTVerifyGetKey {
  return createLocalJWKSet({ keys: [...keys] })
}

function demand<T>(document: RemoteDocument<T>): T {
  if (document.outcome === 'found') return document.value
  if (document.outcome === 'unreachable') {
    throw new OAuthError('temporarily_unavailable', 'the keys of the client are unreachable', {
      reason: document.reason,
    })
  }
  throw new OAuthError('invalid_client', 'the keys of the client are not acceptable', {
    reason: document.reason,
  })
}

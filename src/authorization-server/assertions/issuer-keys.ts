import { createLocalJWKSet, type JWTVerifyGetKey } from 'jose'
import { JWKSNoMatchingKey } from 'jose/errors'
import { parsePublicKeys } from '../../domain/public-keys.ts'
import type { FetchFailure, GuardedFetch } from '../../http/guarded-fetch.ts'
import { type WatchCache, watchNothing } from '../../observability/caches.ts'
import type { Logger } from '../../observability/log.ts'
import { createRemoteDocuments } from '../remote-documents.ts'
import {
  createIssuerMetadataSource,
  demand,
  type IssuerMetadata,
  MAX_ISSUER_DOCUMENT_BYTES,
} from './issuer-metadata.ts'

export type IssuerKeysOptions = {
  issuer: string
  /** Where its keys are; its metadata says so where this does not. */
  jwksUri?: string | undefined
}

/**
 * Finds the keys of identity providers, and fetches them again where none matches, since providers replace their keys.
 *
 * @param now epoch seconds
 * @returns see `EnterpriseIssuer`
 */
export function createIssuerKeySource(
  fetchJson: GuardedFetch,
  logger: Logger,
  now: () => number,
  watchCache: WatchCache = watchNothing,
  findMetadata = createIssuerMetadataSource(fetchJson, logger, now, watchCache),
): (options: IssuerKeysOptions) => JWTVerifyGetKey {
  const onFailure = (url: string, { outcome, reason }: FetchFailure): void =>
    logger.error({ url, outcome, reason }, 'no keys of an identity provider')
  const maxBytes = MAX_ISSUER_DOCUMENT_BYTES
  const keySets = createRemoteDocuments({
    ...{ fetchJson, maxBytes, onFailure, read: readKeySet, now, watchCache },
    name: 'issuer_keys',
  })

  return ({ issuer, jwksUri }) => {
    const locate = async () => jwksUri ?? jwksUriOf(await findMetadata(issuer))
    return async (header, token) => {
      const url = await locate()
      try {
        return await demand(await keySets.find(url))(header, token)
      } catch (error) {
        if (!(error instanceof JWKSNoMatchingKey)) throw error
        return demand(await keySets.renew(url))(header, token)
      }
    }
  }
}

function jwksUriOf({ jwksUri }: IssuerMetadata): string {
  return jwksUri ?? demand({ outcome: 'refused', reason: 'its metadata has no jwks_uri' })
}

function readKeySet(json: unknown): JWTVerifyGetKey | string {
  const keys = parsePublicKeys(json)
  return typeof keys === 'string' ? keys : createLocalJWKSet({ keys: [...keys.keys] })
}

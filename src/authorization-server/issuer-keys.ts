import { createLocalJWKSet, type JWTVerifyGetKey } from 'jose'
import { JWKSNoMatchingKey } from 'jose/errors'
import { OAuthError } from '../domain/oauth-error.ts'
import { parsePublicKeys } from '../domain/public-keys.ts'
import type { FetchFailure, GuardedFetch } from '../http/guarded-fetch.ts'
import type { Logger } from '../observability/log.ts'
import { createRemoteDocuments, type RemoteDocument } from './remote-documents.ts'

export type IssuerKeysOptions = {
  issuer: string
  /** Where its keys are; its metadata says so where this does not. */
  jwksUri?: string | undefined
}

const MAX_BYTES = 256 * 1024

/**
 * Finds the keys of identity providers, and fetches them again where none matches, since providers replace their keys.
 *
 * @param now epoch seconds
 * @returns see `EnterpriseIssuer`
 * @see OpenID Connect Discovery section 4
 */
export function createIssuerKeySource(
  fetchJson: GuardedFetch,
  logger: Logger,
  now: () => number,
): (options: IssuerKeysOptions) => JWTVerifyGetKey {
  const common = { fetchJson, maxBytes: MAX_BYTES, now }
  const onFailure = (url: string, { outcome, reason }: FetchFailure): void =>
    logger.error({ url, outcome, reason }, 'no keys of an identity provider')
  const keySets = createRemoteDocuments({ ...common, onFailure, read: readKeySet })
  const metadata = createRemoteDocuments({ ...common, onFailure, read: readMetadata })

  return ({ issuer, jwksUri }) => {
    const locate = async (): Promise<string> => {
      if (jwksUri !== undefined) return jwksUri
      return demand(await metadata.find(metadataUrlOf(issuer))).jwksUri
    }
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

function metadataUrlOf(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
}

function readMetadata(json: unknown, url: string): { jwksUri: string } | string {
  const { issuer, jwks_uri: jwksUri }: Record<string, unknown> = { ...Object(json) }
  if (typeof issuer !== 'string' || metadataUrlOf(issuer) !== url) return 'is of another issuer'
  return typeof jwksUri === 'string' ? { jwksUri } : 'has no jwks_uri'
}

function readKeySet(json: unknown): JWTVerifyGetKey | string {
  const keys = parsePublicKeys(json)
  return typeof keys === 'string' ? keys : createLocalJWKSet({ keys: [...keys.keys] })
}

/** Whatever is wrong there is for the operators to mend, not for the client. */
function demand<T>(document: RemoteDocument<T>): T {
  if (document.outcome === 'found') return document.value
  throw new OAuthError('temporarily_unavailable', 'the keys of the issuer cannot be had', {
    reason: document.reason,
  })
}

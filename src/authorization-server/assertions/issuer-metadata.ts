import { OAuthError } from '../../domain/oauth-error.ts'
import type { FetchFailure, GuardedFetch } from '../../http/guarded-fetch.ts'
import { type WatchCache, watchNothing } from '../../observability/caches.ts'
import type { Logger } from '../../observability/log.ts'
import { createRemoteDocuments, type RemoteDocument } from '../remote-documents.ts'

/** What an issuer says of itself, as far as it is used. */
export type IssuerMetadata = { jwksUri?: string; introspectionEndpoint?: string }

export const MAX_ISSUER_DOCUMENT_BYTES = 256 * 1024

/**
 * Finds the metadata of issuers: as OpenID providers publish it, else as authorization servers do.
 *
 * @param now epoch seconds
 * @returns throws `OAuthError` `temporarily_unavailable` where there is none, or none now
 * @see OpenID Connect Discovery section 4, RFC 8414 section 3
 */
export function createIssuerMetadataSource(
  fetchJson: GuardedFetch,
  logger: Logger,
  now: () => number,
  watchCache: WatchCache = watchNothing,
): (issuer: string) => Promise<IssuerMetadata> {
  const source = (level: 'debug' | 'error', urlOf: (issuer: string) => string) => {
    const onFailure = (url: string, { outcome, reason }: FetchFailure): void =>
      logger[level]({ url, outcome, reason }, 'no metadata of an issuer')
    const read = (json: unknown, url: string) => readMetadata(json, url, urlOf)
    const maxBytes = MAX_ISSUER_DOCUMENT_BYTES
    const documents = createRemoteDocuments({
      ...{ fetchJson, maxBytes, onFailure, read, now, watchCache },
      name: 'issuer_metadata',
    })
    return (issuer: string) => documents.find(urlOf(issuer))
  }
  const find = source('debug', openIdMetadataUrlOf)
  const findOther = source('error', authorizationServerMetadataUrlOf)
  return async issuer => {
    const found = await find(issuer)
    return demand(found.outcome === 'found' ? found : await findOther(issuer))
  }
}

export function openIdMetadataUrlOf(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
}

export function authorizationServerMetadataUrlOf(issuer: string): string {
  const { origin, pathname } = new URL(issuer)
  return `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, '')}`
}

/** Whatever is wrong there is for the operators to mend, not for the client. */
export function demand<T>(document: RemoteDocument<T>): T {
  if (document.outcome === 'found') return document.value
  throw new OAuthError('temporarily_unavailable', 'the keys of the issuer cannot be had', {
    reason: document.reason,
  })
}

function readMetadata(
  json: unknown,
  url: string,
  urlOf: (issuer: string) => string,
): IssuerMetadata | string {
  const members: Record<string, unknown> = { ...Object(json) }
  const { issuer, jwks_uri: jwksUri, introspection_endpoint: introspectionEndpoint } = members
  if (typeof issuer !== 'string' || !URL.canParse(issuer) || urlOf(issuer) !== url)
    return 'is of another issuer'
  return {
    ...(typeof jwksUri === 'string' && { jwksUri }),
    ...(typeof introspectionEndpoint === 'string' && { introspectionEndpoint }),
  }
}

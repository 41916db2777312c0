import type { Client } from '../../domain/client.ts'
import { isListedHost } from '../../domain/host-pattern.ts'
import { OAuthError } from '../../domain/oauth-error.ts'
import type { GuardedFetch } from '../../http/guarded-fetch.ts'
import { type WatchCache, watchNothing } from '../../observability/caches.ts'
import type { Logger } from '../../observability/log.ts'
import { createRemoteDocuments } from '../remote-documents.ts'
import { readClientDocument } from './client-document.ts'

/** Whose documents are fetched: host patterns. `deny` wins; without `allow`, everybody's. */
export type DocumentPolicy = { allow?: readonly string[] | undefined; deny: readonly string[] }

/** Clients that identify themselves by the URL of a document. */
export type ClientDocuments = {
  /**
   * @param clientId one that `isClientIdUrl`
   * @returns nothing where the policy or the document does not make a client of it; the log says why
   * @throws OAuthError `temporarily_unavailable` where the document cannot be had now and no copy is left
   */
  find(clientId: string): Promise<Client | undefined>
}

/** The draft recommends 5 kilobytes. */
const MAX_DOCUMENT_BYTES = 5 * 1024

/** @param now epoch seconds */
export function createClientDocuments(
  fetchJson: GuardedFetch,
  policy: DocumentPolicy,
  logger: Logger,
  now: () => number,
  watchCache: WatchCache = watchNothing,
): ClientDocuments {
  const documents = createRemoteDocuments({
    fetchJson,
    maxBytes: MAX_DOCUMENT_BYTES,
    read: readClientDocument,
    onFailure: (clientId, { outcome, reason }) =>
      logger.warn({ clientId, outcome, reason }, 'no client metadata document'),
    now,
    name: 'client_documents',
    watchCache,
  })
  return {
    find: async clientId => {
      if (!isWelcome(clientId, policy)) {
        logger.warn({ clientId }, 'the host of a client metadata document is not allowed')
        return undefined
      }
      const document = await documents.find(clientId)
      if (document.outcome === 'found') return document.value
      if (document.outcome === 'refused') return undefined
      throw new OAuthError(
        'temporarily_unavailable',
        'the client metadata document is unreachable',
        {
          reason: document.reason,
        },
      )
    },
  }
}

function isWelcome(clientId: string, { allow, deny }: DocumentPolicy): boolean {
  const { hostname } = new URL(clientId)
  if (isListedHost(hostname, deny)) return false
  return allow === undefined || isListedHost(hostname, allow)
}

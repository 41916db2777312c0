import type { Client } from '../../domain/client.ts'
import { isClientIdUrl } from '../../domain/client-id-url.ts'
import { isPermittedRedirectUri } from '../../domain/redirect-policy.ts'
import type { AuthorizationServer } from '../context.ts'
import { decodeClientId } from './registered-client.ts'

type Server = Pick<AuthorizationServer, 'ring' | 'store' | 'clients'>

/**
 * The client behind a `client_id`, unless nobody knows it or it has been denied: one that registered itself, one of the configuration, one that publishes a document.
 *
 * @throws OutageError where the store cannot say whether it is denied: it never falls open
 * @throws OAuthError `temporarily_unavailable` where its document cannot be had now
 */
export async function resolveClient(server: Server, clientId: string): Promise<Client | undefined> {
  const { preregistered, documents } = server.clients
  const known = findRegistered(server, clientId) ?? preregistered.get(clientId)
  const isDocument = !known && documents !== undefined && isClientIdUrl(clientId)
  if (!known && !isDocument) return undefined
  if (await server.store.clients.isDenied(clientId)) return undefined
  return known ?? documents?.find(clientId)
}

/** The policy counts when a client comes, not when it registered: nothing is stored that could be changed. */
function findRegistered({ ring, clients }: Server, clientId: string): Client | undefined {
  const client = decodeClientId(ring, clientId)
  const redirects = clients.registration?.redirects
  if (!client || !redirects) return client
  const redirectUris = client.redirectUris.filter(uri => isPermittedRedirectUri(uri, redirects))
  return { ...client, redirectUris }
}

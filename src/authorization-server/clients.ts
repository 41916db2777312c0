import type { Client } from '../domain/client.ts'
import type { AuthorizationServer } from './context.ts'
import { decodeClientId } from './registered-client.ts'

/**
 * The client behind a `client_id`, unless nobody knows it or it has been denied.
 *
 * @throws OutageError where the store cannot say whether it is denied: it never falls open
 */
export async function resolveClient(
  server: Pick<AuthorizationServer, 'ring' | 'store'>,
  clientId: string,
): Promise<Client | undefined> {
  const client = decodeClientId(server.ring, clientId)
  if (!client || (await server.store.clients.isDenied(clientId))) return undefined
  return client
}

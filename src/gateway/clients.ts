import { createClientDocuments } from '../authorization-server/clients/client-documents.ts'
import { createClientKeySource } from '../authorization-server/clients/client-keys.ts'
import type { ClientSources } from '../authorization-server/clients/client-sources.ts'
import type { ClientConfig, GatewayConfig } from '../config/schema.ts'
import type { Client, ClientAuthMethod, ClientKeys } from '../domain/client.ts'
import type { GuardedFetch } from '../http/guarded-fetch.ts'
import { type WatchCache, watchNothing } from '../observability/caches.ts'
import type { Logger } from '../observability/log.ts'

/** How clients become known, as configured. A part of the composition in `gateway.ts`. */
export function createClientSources(
  config: Pick<GatewayConfig, 'registration' | 'clientDocuments' | 'clients'>,
  fetchJson: GuardedFetch,
  logger: Logger,
  now: () => number,
  watchCache: WatchCache = watchNothing,
): ClientSources {
  const { registration, clientDocuments, clients } = config
  const { initialAccessToken, redirectHosts, loopback, appSchemes } = registration
  return {
    registration: registration.enabled
      ? { initialAccessToken, redirects: { hosts: redirectHosts, loopback, appSchemes } }
      : undefined,
    trustedRedirectHosts: redirectHosts ?? [],
    documents: clientDocuments.enabled
      ? createClientDocuments(fetchJson, clientDocuments, logger, now, watchCache)
      : undefined,
    preregistered: new Map(clients.map(client => [client.id, describeClient(client)])),
    keys: createClientKeySource(fetchJson, logger, now, watchCache),
  }
}

function describeClient(config: ClientConfig): Client {
  const { id, name, redirectUris, secretHash, scopes, trusted } = config
  const { introspection, clientCredentials } = config
  const keys = findKeys(config)
  return {
    clientId: id,
    clientName: name,
    redirectUris,
    authMethod: chooseAuthMethod(secretHash, keys),
    origin: 'preregistered',
    trusted,
    mayIntrospect: introspection,
    mayActAlone: clientCredentials,
    ...(secretHash !== undefined && { secretDigest: secretHash }),
    ...(keys && { keys }),
    ...(scopes && { defaultScope: scopes }),
  }
}

function findKeys({ jwks, jwksUri }: ClientConfig): ClientKeys | undefined {
  if (jwks !== undefined) return { jwks }
  return jwksUri === undefined ? undefined : { jwksUri }
}

/** A secret may come either way; the name is only that of the usual one. */
function chooseAuthMethod(
  secretHash: string | undefined,
  keys: ClientKeys | undefined,
): ClientAuthMethod {
  if (keys) return 'private_key_jwt'
  return secretHash === undefined ? 'none' : 'client_secret_basic'
}

import type { Client } from '../../domain/client.ts'
import type { RedirectPolicy } from '../../domain/redirect-policy.ts'
import type { ClientDocuments } from './client-documents.ts'
import type { ClientKeySource } from './client-keys.ts'

/** Who may register itself, and with which redirect URIs. */
export type RegistrationPolicy = {
  /** Needed for a registration, where it is there. */
  initialAccessToken?: string | undefined
  redirects: RedirectPolicy
}

/** How clients become known. */
export type ClientSources = {
  /** `undefined`: no client registers itself from now on. Those that did are still known. */
  registration: RegistrationPolicy | undefined
  /** Patterns of web hosts to which errors of strangers' requests may go unseen. */
  trustedRedirectHosts: readonly string[]
  /** By client id. */
  preregistered: ReadonlyMap<string, Client>
  /** `undefined`: none is fetched. */
  documents: ClientDocuments | undefined
  keys: ClientKeySource
}

import { isListedHost } from './host-pattern.ts'
import { describeRedirectUri } from './redirect-uri.ts'

/** Where clients that register themselves may have codes sent. */
export type RedirectPolicy = {
  /** Host patterns; any host where it is missing. */
  hosts?: readonly string[] | undefined
  /** Programs on the user's computer that listen on a port. */
  loopback: boolean
  /** Apps with a URI scheme of their own. */
  appSchemes: boolean
}

/** @param uri one that may be registered at all: see `findRedirectUriFault` */
export function isPermittedRedirectUri(uri: string, policy: RedirectPolicy): boolean {
  switch (describeRedirectUri(uri).kind) {
    case 'loopback':
      return policy.loopback
    case 'app':
      return policy.appSchemes
    case 'web':
      return policy.hosts === undefined || isListedHost(new URL(uri).hostname, policy.hosts)
  }
}

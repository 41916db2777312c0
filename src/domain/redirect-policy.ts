import type { Client } from './client.ts'
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

/**
 * Whether a browser may be sent to a client's redirect URI though nobody has been asked. Programs on the user's computer and clients of the configuration are; of what
 * strangers name, web hosts that the operator has named too. The scheme of an app is nobody's.
 *
 * @param uri one of the client's own, verified
 * @param trustedHosts host patterns
 * @see RFC 9700 section 4.11.2
 */
export function isTrustedDestination(
  { origin }: Pick<Client, 'origin'>,
  uri: string,
  trustedHosts: readonly string[],
): boolean {
  if (origin === 'preregistered') return true
  const { kind } = describeRedirectUri(uri)
  return (
    kind === 'loopback' || (kind === 'web' && isListedHost(new URL(uri).hostname, trustedHosts))
  )
}

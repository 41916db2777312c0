/**
 * Where an authorization code goes, in the terms in which a person can judge it.
 *
 * - `web`: `host` is ASCII (an international name is in its `xn--` form, so no letter can pass for another), with its port unless it is the scheme's own.
 * - `computer`: whatever listens on that port of the person's own computer.
 * - `app`: whatever app on the device opens links of that scheme.
 */
export type Destination =
  | { kind: 'web'; host: string }
  | { kind: 'computer'; host: string }
  | { kind: 'app'; scheme: string }

const LOOPBACK_HOST = /^(localhost|127(\.\d+){3}|\[::1\])$/

/**
 * @param redirectUri one that has been checked against the client's; an absolute URI.
 * @throws TypeError where it is no absolute URI.
 * @see RFC 8252 section 7
 */
export function describeDestination(redirectUri: string): Destination {
  const { protocol, hostname, host } = new URL(redirectUri)
  if (protocol !== 'https:' && protocol !== 'http:') {
    return { kind: 'app', scheme: protocol.slice(0, -1) }
  }
  return { kind: isLoopbackHost(hostname) ? 'computer' : 'web', host }
}

/** Whether a host, as `URL` renders it, is this computer. */
export function isLoopbackHost(hostname: string): boolean {
  return LOOPBACK_HOST.test(hostname)
}

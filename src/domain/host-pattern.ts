/**
 * Lists of hosts in policies: `example.com` is that host and no other, `*.example.com` is every host below it, at any depth. Ports do not matter.
 */

const LABEL = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
const PATTERN = new RegExp(String.raw`^(\*\.)?(${LABEL}\.)*${LABEL}$`)

/** The pattern in the form in which hosts are compared; `undefined` where it is none. */
export function parseHostPattern(text: string): string | undefined {
  const pattern = text.toLowerCase()
  return pattern.length <= 253 && PATTERN.test(pattern) ? pattern : undefined
}

/** @param hostname as URL parsing gives it */
export function isListedHost(hostname: string, patterns: readonly string[]): boolean {
  // With a dot at its end a name is the same host to the resolver.
  const host = hostname.replace(/\.$/, '')
  return patterns.some(pattern =>
    pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern,
  )
}

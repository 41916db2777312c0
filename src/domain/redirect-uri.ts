/**
 * Redirect URIs of clients: which may be registered, and whether one that is presented was registered. Always parsed and compared by component, never matched by
 * pattern or prefix.
 *
 * @see RFC 9700 section 2.1, RFC 8252 sections 7 and 8
 */

export type RedirectUriFault =
  | 'not an absolute URI'
  | 'has a fragment'
  | 'has a user name or a password'
  | 'has a wildcard'
  | 'uses a scheme that runs or reads something'
  | 'uses plain http beyond this computer'

/**
 * Schemes that no app has for itself: browsers, systems and their tools answer them, by running, installing or opening what follows, or by asking a server that the
 * consent page would not name. The code would be part of what follows.
 */
const DANGEROUS_SCHEMES = new Set(
  [
    // Of browsers.
    ['about', 'blob', 'cid', 'content', 'data', 'feed', 'file', 'filesystem', 'jar', 'javascript'],
    ['livescript', 'mhtml', 'mocha', 'moz-icon', 'res', 'resource', 'vbscript', 'view-source'],
    ['brave', 'chrome', 'chrome-error', 'chrome-search', 'chrome-untrusted', 'devtools', 'edge'],
    // Ways to have another browser or app open an address.
    ['android-app', 'firefox', 'googlechrome', 'googlechromes', 'intent', 'microsoft-edge'],
    ['x-safari-http', 'x-safari-https'],
    // Of systems. All that begin with `ms-` are refused besides.
    ['apt', 'help', 'hcp', 'itms-services', 'its', 'jnlp', 'jnlps', 'mk', 'search', 'search-ms'],
    ['shell', 'windowsdefender', 'x-apple.systempreferences', 'x-man-page'],
    // Other servers, other people.
    ['afp', 'dav', 'davs', 'ftp', 'ftps', 'gopher', 'irc', 'ircs', 'ldap', 'ldaps', 'news', 'nfs'],
    ['nntp', 'rdp', 'rlogin', 'rtsp', 'scp', 'sftp', 'smb', 'ssh', 'telnet', 'tftp', 'vnc'],
    ['webdav', 'ws', 'wss', 'mailto', 'sms', 'tel'],
  ].flatMap(schemes => schemes.map(scheme => `${scheme}:`)),
)

/** What Windows and its programs register for themselves: `ms-msdt:`, `ms-officecmd:`, `ms-appinstaller:` and scores of others, more with each version. */
const WINDOWS_PREFIX = 'ms-'

/** Control characters, spaces and backslashes, which parsers read differently. */
const AMBIGUOUS = /[\s\\\p{Cc}]/u

/** Why a redirect URI may not be registered; `undefined` where it may. */
export function findRedirectUriFault(uri: string): RedirectUriFault | undefined {
  const url = parseUri(uri)
  if (!url) return 'not an absolute URI'
  if (isDangerousScheme(url.protocol)) return 'uses a scheme that runs or reads something'
  if (uri.includes('#')) return 'has a fragment'
  if (url.username !== '' || url.password !== '' || hasUserinfo(uri))
    return 'has a user name or a password'
  if (uri.includes('*')) return 'has a wildcard'
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname))
    return 'uses plain http beyond this computer'
  return undefined
}

/**
 * Whether `presented` is one of the client's registered redirect URIs.
 *
 * Exact string, with the one exception native clients need: a loopback `http` URI may differ in port, because the client learns its port only after it has
 * registered. `localhost` counts as loopback although RFC 8252 section 8.3 advises against it: many register it.
 *
 * @see RFC 9700 section 2.1, RFC 8252 section 7.3
 */
export function isRegisteredRedirectUri(presented: string, registered: readonly string[]): boolean {
  if (findRedirectUriFault(presented)) return false
  if (registered.includes(presented)) return true
  const withoutPort = loopbackWithoutPort(presented)
  return (
    withoutPort !== undefined && registered.some(uri => loopbackWithoutPort(uri) === withoutPort)
  )
}

/** Where a redirect URI leads, for a person to judge. */
export type RedirectDestination =
  | { kind: 'web'; host: string }
  | { kind: 'loopback'; host: string }
  | { kind: 'app'; scheme: string }

export function describeRedirectUri(uri: string): RedirectDestination {
  const url = new URL(uri)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return { kind: 'app', scheme: url.protocol.slice(0, -1) }
  }
  return isLoopbackHost(url.hostname)
    ? { kind: 'loopback', host: url.host }
    : { kind: 'web', host: url.host }
}

/** `127.0.0.0/8`, `[::1]` and `localhost`, in the form in which URL parsers give host names. */
export function isLoopbackHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}

/** A loopback `http` URI as it was written, its port taken out; `undefined` for any other. */
function loopbackWithoutPort(uri: string): string | undefined {
  const url = parseUri(uri)
  if (url?.protocol !== 'http:' || !isLoopbackHost(url.hostname) || findRedirectUriFault(uri))
    return undefined
  url.port = ''
  return url.href
}

function isDangerousScheme(protocol: string): boolean {
  return DANGEROUS_SCHEMES.has(protocol) || protocol.startsWith(WINDOWS_PREFIX)
}

function parseUri(uri: string): URL | undefined {
  if (AMBIGUOUS.test(uri) || !URL.canParse(uri)) return undefined
  return new URL(uri)
}

/** An empty user name (`https://@host`) leaves no trace in a parsed URL. */
function hasUserinfo(uri: string): boolean {
  const authority = /^[^:]+:\/\/([^/?#]*)/.exec(uri)?.[1]
  return authority?.includes('@') ?? false
}

/** The kinds of URL that the configuration takes. Each is checked as text before it is parsed, since the parser forgives what an operator should hear about. */
import { Malformed } from './malformed.ts'

const ORIGIN = /^https?:\/\/[^\s\\/?#@]+\/?$/i
const HTTP_URL = /^https?:\/\/[^\s\\/?#@]+(\/[^\s\\?#]*)?$/i
/** Copied from a browser rather than from the metadata: no issuer ends like this. */
const WELL_KNOWN = /\/\.well-known\/(openid-configuration|oauth-authorization-server)$/
const REDIS_URL = /^rediss?:\/\/[^\s\\/?#]+(\/\d*)?$/i

/**
 * Whether a URL's `hostname` is this computer: `localhost` and names below it, 127.0.0.0/8 or `[::1]`.
 *
 * @see RFC 6761 section 6.3
 */
export function isLoopbackHost(hostname: string): boolean {
  return /^([^.]+\.)*localhost$|^\[::1\]$|^127(\.\d+){3}$/.test(hostname)
}

/**
 * An http or https origin in the form in which browsers send it: lower case, no default port, no slash at the end.
 *
 * @throws Malformed
 * @see RFC 6454 section 6.2
 */
export function parseOrigin(text: string): string {
  const url = parseAs(ORIGIN, text)
  if (!url) {
    throw new Malformed(
      'expected an origin such as https://mcp.example.com: scheme, host and port, nothing else',
    )
  }
  return url.origin
}

/**
 * An origin that is safe to be an issuer: https, or http on loopback.
 *
 * @throws Malformed
 */
export function parseSecureOrigin(text: string): string {
  const origin = parseOrigin(text)
  requireTls(new URL(origin))
  return origin
}

/**
 * An issuer identifier, exactly as written, since it is compared byte for byte.
 *
 * @throws Malformed
 * @see RFC 8414 section 2
 */
export function parseIssuer(text: string): string {
  const url = parseAs(HTTP_URL, text)
  if (!url) {
    throw new Malformed(
      'expected an https URL without credentials, query and fragment, such as https://login.example.com',
    )
  }
  requireTls(url)
  if (WELL_KNOWN.test(url.pathname)) {
    throw new Malformed('is the URL of the metadata; the issuer ends before /.well-known')
  }
  return text
}

/** Before the URL of an instance: each address of its host is one. */
const EACH_ADDRESS = 'dns:'

/**
 * The URL of one instance of a backend, or of several behind one name.
 *
 * @throws Malformed
 */
export function parseInstanceUrl(text: string): string {
  const isNamed = text.startsWith(EACH_ADDRESS)
  const url = parseAs(HTTP_URL, isNamed ? text.slice(EACH_ADDRESS.length) : text)
  if (!url) {
    const example = isNamed ? 'dns:http://crm:8080/mcp' : 'http://crm-1:8080/mcp'
    throw new Malformed(
      `expected an http or https URL without credentials, query and fragment, such as ${example}`,
    )
  }
  if (!isNamed) return url.href
  if (isAddress(url.hostname)) throw new Malformed('needs a name after dns:, not an address')
  return EACH_ADDRESS + url.href
}

/** What follows `dns:`, where that is there. */
export function withoutEachAddress(url: string): string {
  return url.startsWith(EACH_ADDRESS) ? url.slice(EACH_ADDRESS.length) : url
}

/** @throws Malformed */
export function parseRedisUrl(text: string): string {
  const url = parseAs(REDIS_URL, text)
  if (!url?.hostname || !isDecodable(url.username) || !isDecodable(url.password)) {
    throw new Malformed(
      'expected redis:// or rediss://, host and port, with user and password percent-encoded and no query',
    )
  }
  return text
}

/** The same URL with its password replaced. */
export function redactPassword(url: string, replacement: string): string {
  // Greedy: the last @ before the path ends the user information, as in the URL standard.
  return url.replace(
    /^([a-z]+:\/\/[^:@/]*:)[^/]*@/i,
    (_, start: string) => `${start}${replacement}@`,
  )
}

/** @param hostname of a URL, where an IPv4 address has one spelling only */
function isAddress(hostname: string): boolean {
  return hostname.startsWith('[') || /^\d+(\.\d+){3}$/.test(hostname)
}

function requireTls(url: URL): void {
  if (url.protocol !== 'https:' && !isLoopbackHost(url.hostname)) {
    throw new Malformed('must be https; plain http is for loopback only')
  }
}

function parseAs(shape: RegExp, text: string): URL | undefined {
  return shape.test(text) ? (URL.parse(text) ?? undefined) : undefined
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

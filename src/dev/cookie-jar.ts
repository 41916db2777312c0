/** A user agent's cookies. Kept apart by origin, port included: three gateways on one host do not see each other's. */
export type CookieJar = {
  store(url: URL, setCookie: readonly string[]): void
  /** The `Cookie` field for a request, empty where there is none to send. */
  headerFor(url: URL): string
  /** The names held for an origin. */
  names(origin: string): string[]
  /** A cookie's value, whatever its path. */
  get(origin: string, name: string): string | undefined
  delete(origin: string, name: string): void
}

type Cookie = { origin: string; name: string; value: string; path: string }

export function createCookieJar(): CookieJar {
  let cookies: Cookie[] = []
  const remove = (gone: Pick<Cookie, 'origin' | 'name'> & { path?: string }) => {
    cookies = cookies.filter(
      cookie =>
        cookie.origin !== gone.origin ||
        cookie.name !== gone.name ||
        (gone.path !== undefined && cookie.path !== gone.path),
    )
  }
  const of = (origin: string) => cookies.filter(cookie => cookie.origin === origin)
  return {
    store: (url, setCookie) => {
      for (const line of setCookie) {
        const { cookie, isExpired } = parseSetCookie(url, line)
        remove(cookie)
        if (!isExpired) cookies.push(cookie)
      }
    },
    headerFor: url =>
      of(url.origin)
        .filter(({ path }) => isPathMatch(url.pathname, path))
        .sort((left, right) => right.path.length - left.path.length)
        .map(({ name, value }) => `${name}=${value}`)
        .join('; '),
    names: origin => of(origin).map(({ name }) => name),
    get: (origin, name) => of(origin).find(cookie => cookie.name === name)?.value,
    delete: (origin, name) => remove({ origin, name }),
  }
}

/** @throws Error where a browser would refuse the cookie, so that nothing works here which would not work in a browser */
function parseSetCookie(url: URL, line: string): { cookie: Cookie; isExpired: boolean } {
  const [pair = '', ...rest] = line.split(';').map(part => part.trim())
  const attributes = new Map(
    rest.map(part => {
      const [name = '', value = ''] = part.split(/=(.*)/s)
      return [name.toLowerCase(), value]
    }),
  )
  const [name = '', value = ''] = pair.split(/=(.*)/s)
  const path = attributes.get('path')
  const isWhole = path === '/' && attributes.has('secure') && !attributes.has('domain')
  if (name.startsWith('__Host-') && !isWhole) throw new Error(`not a __Host- cookie: ${line}`)
  const maxAge = attributes.get('max-age')
  const expires = attributes.get('expires')
  const isExpired =
    maxAge !== undefined
      ? Number(maxAge) <= 0
      : expires !== undefined && Date.parse(expires) <= Date.now()
  const ownPath = path?.startsWith('/') ? path : defaultPath(url.pathname)
  return { cookie: { origin: url.origin, name, value, path: ownPath }, isExpired }
}

/** @see RFC 6265 section 5.1.4 */
function defaultPath(pathname: string): string {
  return pathname.slice(0, Math.max(1, pathname.lastIndexOf('/')))
}

/** @see RFC 6265 section 5.1.4 */
function isPathMatch(pathname: string, path: string): boolean {
  return (
    pathname === path ||
    (pathname.startsWith(path) && (path.endsWith('/') || pathname[path.length] === '/'))
  )
}

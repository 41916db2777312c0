import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { CookieOptions } from 'hono/utils/cookie'
import { createSecret, digest, isSameSecret } from '../../domain/secret.ts'

/**
 * Cookies that tie a step of a flow to the browser that took it. Each flow has cookies of its own, named after its handle, so two tabs do not overwrite each other's; each
 * holds a secret of its own, of which the store knows the digest.
 */
export type BrowserBinding = {
  /** Sets the cookie. @returns the digest to keep */
  bind(c: Context, handle: string, ttlSeconds: number): string
  /** Whether this browser has the cookie. It is taken away in any case: a flow's step happens once. */
  take(c: Context, handle: string, expectedDigest: string): boolean
}

/** @param purpose tells the page's cookie from the login's */
export function createBrowserBinding(issuer: string, purpose: 'consent' | 'login'): BrowserBinding {
  const secure = new URL(issuer).protocol === 'https:'
  // `__Host-` needs `Secure`, which a browser takes over plain http at best from loopback, and Safari not even there.
  const prefix = secure ? '__Host-' : ''
  const attributes: CookieOptions = { path: '/', httpOnly: true, sameSite: 'Lax', secure }
  const nameOf = (handle: string) => `${prefix}${purpose}-${digest(handle).slice(0, 16)}`
  return {
    bind: (c, handle, ttlSeconds) => {
      const secret = createSecret()
      setCookie(c, nameOf(handle), secret, { ...attributes, maxAge: ttlSeconds })
      return digest(secret)
    },
    take: (c, handle, expectedDigest) => {
      const name = nameOf(handle)
      const presented = getCookie(c, name)
      deleteCookie(c, name, attributes)
      return presented !== undefined && isSameSecret(digest(presented), expectedDigest)
    },
  }
}

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** A fresh value nobody can guess: 256 bits, base64url, so it needs no encoding in a URL, a form, a header or a cookie. */
export function createSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** A fresh name for something that is not secret by itself (a grant, a flow): 128 bits, base64url. */
export function createId(): string {
  return randomBytes(16).toString('base64url')
}

const CORRELATION_CHARACTERS = 22
const DRAWN_AT_ONCE = 256
let drawn = ''
let used = 0

/** A fresh name for one request, in all its log lines: 132 random bits, base64url. Drawn for many requests at once, since this is on the hot path. */
export function createCorrelationId(): string {
  if (used === drawn.length) {
    drawn = randomBytes((DRAWN_AT_ONCE * CORRELATION_CHARACTERS * 6) / 8).toString('base64url')
    used = 0
  }
  used += CORRELATION_CHARACTERS
  return drawn.slice(used - CORRELATION_CHARACTERS, used)
}

/** The only form in which a secret may be a key or lie at rest: SHA-256, base64url, 43 characters. */
export function digest(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url')
}

/** Whether two secrets are equal, in a time that does not depend on where they differ or on their lengths. */
export function isSameSecret(presented: string, expected: string): boolean {
  const left = createHash('sha256').update(presented).digest()
  const right = createHash('sha256').update(expected).digest()
  return timingSafeEqual(left, right)
}

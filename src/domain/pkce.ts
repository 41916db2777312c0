import { createHash } from 'node:crypto'
import { isSameSecret } from './secret.ts'

const CODE_VERIFIER = /^[A-Za-z0-9\-._~]{43,128}$/
const S256_CODE_CHALLENGE = /^[A-Za-z0-9\-_]{43}$/

/** Whether the text can be an S256 code challenge: a SHA-256 in base64url. */
export function isCodeChallenge(text: string): boolean {
  return S256_CODE_CHALLENGE.test(text)
}

/**
 * Whether `verifier` is well formed and is the one that `codeChallenge` was made from.
 *
 * @see RFC 7636 sections 4.1 and 4.6
 */
export function isCodeVerifierOf(codeChallenge: string, verifier: string): boolean {
  if (!CODE_VERIFIER.test(verifier)) return false
  return isSameSecret(createHash('sha256').update(verifier).digest('base64url'), codeChallenge)
}

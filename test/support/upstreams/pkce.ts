import { createHash } from 'node:crypto'

/** Whether a token request has the verifier of the code challenge. */
export function isVerified(codeChallenge: string | undefined, verifier = ''): boolean {
  return createHash('sha256').update(verifier).digest('base64url') === codeChallenge
}

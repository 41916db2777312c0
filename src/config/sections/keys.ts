import { z } from 'zod'
import { parsed, REDACTED } from '../fields.ts'
import { Malformed } from '../malformed.ts'
import { distinct } from '../shapes.ts'

const KEY_BYTES = 32

/** What to do where there is no good key. */
export const MINT_HINT = '`mcp-auth-gateway keys` mints one'

export const keys = z
  .array(parsed('secret', parseKey, () => REDACTED).meta({ writeOnly: true }))
  .check(distinct(digits, 'is the same key as one before it'))
  .prefault([])
  .describe(
    'Keys of 32 bytes, base64. The first seals and signs; all of them open and verify, so a key is replaced by putting a new one first. Required with `redis`; without, one is made at each start.',
  )

/**
 * A key from base64 or base64url.
 *
 * @returns 32 bytes
 * @throws Malformed
 */
function parseKey(text: string): Uint8Array {
  if (!/^[\w+/-]+={0,2}$/.test(text)) throw new Malformed(`is not base64; ${MINT_HINT}`)
  const key = Uint8Array.from(Buffer.from(text, 'base64'))
  if (key.byteLength !== KEY_BYTES) {
    throw new Malformed(`is ${key.byteLength} bytes long instead of ${KEY_BYTES}; ${MINT_HINT}`)
  }
  return key
}

function digits(key: unknown): string | undefined {
  return key instanceof Uint8Array ? Buffer.from(key).toString('base64') : undefined
}

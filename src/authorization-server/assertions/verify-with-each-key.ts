import {
  type CryptoKey,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose'
import { JWKInvalid, JWKSMultipleMatchingKeys } from 'jose/errors'

/**
 * Verifies a JWT with the key that it names. Without a `kid`, several keys may fit, and each is tried.
 *
 * @throws jose's errors
 */
export async function verifyWithEachKey(
  jwt: string,
  keys: JWTVerifyGetKey,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  const verified = await jwtVerify(jwt, keys, options).catch(error =>
    tryEach(error, key => jwtVerify(jwt, key, options)),
  )
  return verified.payload
}

async function tryEach<T>(error: unknown, verify: (key: CryptoKey) => Promise<T>): Promise<T> {
  // What the platform says of a published key that is none, and jose passes on.
  if (error instanceof DOMException) throw new JWKInvalid(error.message, { cause: error })
  if (!(error instanceof JWKSMultipleMatchingKeys)) throw error
  for await (const key of error) {
    const verified = await verify(key).catch(() => undefined)
    if (verified) return verified
  }
  throw error
}

import { digest } from '../../domain/secret.ts'

/**
 * The name of everything that the gateway keeps in Redis. Secrets are named by their digests only. `{grantId}` is a hash tag: all keys of one grant share a slot.
 */
export type Keys = {
  pending(handle: string): string
  code(code: string): string
  grant(grantId: string): string
  /** The other way round; `undefined` where the key is not a grant's. */
  grantIdOf(key: string): string | undefined
  /** Matches the keys of all grants, as `SCAN` takes it. */
  readonly everyGrant: string
  lease(grantId: string): string
  /** What a grant was that has just been revoked. */
  revoked(grantId: string): string
  barrier(grantId: string): string
  grantsOfSubject(subjectDigest: string): string
  grantsOfClient(clientDigest: string): string
  usedId(id: string): string
  rate(key: string): string
  readonly deniedClients: string
  readonly channel: string
}

/** @throws RangeError where the prefix has a brace: it would become the hash tag of every key. */
export function createKeys(prefix: string): Keys {
  if (/[{}]/.test(prefix)) throw new RangeError('the Redis key prefix may not contain braces')
  return {
    pending: handle => `${prefix}pending:${digest(handle)}`,
    code: code => `${prefix}code:${digest(code)}`,
    grant: grantId => `${prefix}{${grantId}}:grant`,
    grantIdOf: key =>
      key.startsWith(`${prefix}{`) && key.endsWith('}:grant')
        ? key.slice(prefix.length + 1, -'}:grant'.length)
        : undefined,
    everyGrant: `${prefix.replace(/[\\*?[\]]/g, '\\$&')}{*}:grant`,
    lease: grantId => `${prefix}{${grantId}}:lease`,
    revoked: grantId => `${prefix}{${grantId}}:revoked`,
    barrier: grantId => `${prefix}{${grantId}}:barrier`,
    grantsOfSubject: subjectDigest => `${prefix}subject:${subjectDigest}`,
    grantsOfClient: clientDigest => `${prefix}client:${clientDigest}`,
    rate: key => `${prefix}rate:${digest(key)}`,
    usedId: id => `${prefix}jti:${digest(id)}`,
    deniedClients: `${prefix}denied-clients`,
    channel: `${prefix}invalidations`,
  }
}

/** A subject is unique only together with its issuer. */
export function digestSubject(issuer: string, subject: string): string {
  return digest(JSON.stringify([issuer, subject]))
}

import { createHmac } from 'node:crypto'
import * as z from 'zod'
import type { Client } from '../../domain/client.ts'
import type { KeyRing } from '../../domain/key-ring.ts'
import { createId, isSameSecret } from '../../domain/secret.ts'

/**
 * Registered clients are not stored: the `client_id` is the registration itself and a MAC over it, and the secret is derived from the id. Nothing grows under an open
 * `/register`, a client that remembers its id for a year is never stranded, and every replica knows every client.
 *
 * @see RFC 7591 appendix A.5.2
 */

/** `c_<registration>.<kid>.<mac>`: characters that no URL, form or Basic header needs to encode. */
const CLIENT_ID = /^c_([\w-]+)\.([\w-]{8})\.([\w-]{43})$/

/** Longer ids break URLs in clients and proxies. */
export const MAX_CLIENT_ID_LENGTH = 2000

const registration = z.strictObject({
  /** Random, so that equal metadata does not make equal ids, and so equal secrets. */
  i: z.string(),
  /** Issued at, epoch seconds. */
  t: z.int(),
  n: z.string(),
  r: z.array(z.string()),
  a: z.enum(['none', 'client_secret_basic', 'client_secret_post']),
  s: z.array(z.string()).optional(),
  u: z.string().optional(),
})

export type RegisteredMetadata = Pick<
  Client,
  'clientName' | 'redirectUris' | 'defaultScope' | 'clientUri'
> & {
  authMethod: z.infer<typeof registration>['a']
}

/** @param now epoch seconds */
export function encodeClientId(ring: KeyRing, metadata: RegisteredMetadata, now: number): string {
  const { clientName, redirectUris, authMethod, defaultScope, clientUri } = metadata
  const compact: z.infer<typeof registration> = {
    i: createId(),
    t: Math.floor(now),
    n: clientName,
    r: [...redirectUris],
    a: authMethod,
    ...(defaultScope && { s: [...defaultScope] }),
    ...(clientUri !== undefined && { u: clientUri }),
  }
  const { kid, key } = ring.current('client-id')
  const body = `${Buffer.from(JSON.stringify(compact)).toString('base64url')}.${kid}`
  return `c_${body}.${mac(key, body)}`
}

/** The client that an id of ours stands for; `undefined` for any id that none of the ring's keys made, or that a later version of the gateway made in a form that this one does not know. */
export function decodeClientId(ring: KeyRing, clientId: string): Client | undefined {
  if (clientId.length > MAX_CLIENT_ID_LENGTH) return undefined
  const [, encoded, kid, presented] = CLIENT_ID.exec(clientId) ?? []
  if (!encoded || !kid || !presented) return undefined
  const key = ring.find('client-id', kid)
  if (!key || !isSameSecret(presented, mac(key.key, `${encoded}.${kid}`))) return undefined
  // Genuine, so it is JSON.
  const read = registration.safeParse(JSON.parse(Buffer.from(encoded, 'base64url').toString()))
  if (!read.success) return undefined
  const { n, r, a, s, u } = read.data
  return {
    clientId,
    clientName: n,
    redirectUris: r,
    authMethod: a,
    origin: 'registered',
    ...(s && { defaultScope: s }),
    ...(u !== undefined && { clientUri: u }),
  }
}

/** The secret of a registered confidential client, by the key that made its id. */
export function deriveClientSecret(ring: KeyRing, clientId: string): string | undefined {
  const kid = CLIENT_ID.exec(clientId)?.[2]
  const key = kid === undefined ? undefined : ring.find('client-secret', kid)
  return key && mac(key.key, clientId)
}

function mac(key: Buffer, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url')
}

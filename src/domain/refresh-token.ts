import { createHmac } from 'node:crypto'
import type { KeyRing } from './key-ring.ts'
import { isSameSecret } from './secret.ts'

/**
 * Refresh tokens: `rt_<grantId>.<generation>.<kid>.<mac>`.
 *
 * The tokens of a grant are numbered. The MAC makes each unguessable, and proves that it was ours, so the store keeps only the number of the newest one: nothing that
 * could be stolen lies there, the successor of a token can be given out a second time without having been kept, an old token is positively known to be old, and a
 * number from beyond a store's failover is known to be newer.
 *
 * @see docs/decisions/0002-numbered-refresh-tokens.md
 */
export type RefreshToken = { grantId: string; generation: number; kid: string }

const REFRESH_TOKEN = /^rt_([\w-]{22})\.(0|[1-9]\d{0,9})\.([\w-]{8})\.([\w-]{43})$/

/** The token that the ring's key `kid` makes for a generation of a grant; with the ring's first key where none is named. */
export function mintRefreshToken(
  ring: KeyRing,
  grantId: string,
  generation: number,
  kid = ring.current('refresh-token').kid,
): string {
  const key = ring.find('refresh-token', kid)
  if (!key) throw new RangeError(`the key ring has no key ${kid}`)
  const body = `${grantId}.${generation}.${kid}`
  return `rt_${body}.${mac(key.key, body)}`
}

/** What a refresh token stands for; `undefined` unless one of the ring's keys made it. */
export function verifyRefreshToken(ring: KeyRing, token: string): RefreshToken | undefined {
  const [, grantId, number, kid, presented] = REFRESH_TOKEN.exec(token) ?? []
  if (!grantId || !number || !kid || !presented) return undefined
  const key = ring.find('refresh-token', kid)
  if (!key || !isSameSecret(presented, mac(key.key, `${grantId}.${number}.${kid}`)))
    return undefined
  return { grantId, generation: Number(number), kid }
}

function mac(key: Buffer, body: string): string {
  return createHmac('sha256', key).update(body).digest('base64url')
}

/** Keys are replaced, and lost, on a gateway that is in use. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKeyRing, mintKey } from '../../src/domain/key-ring.ts'
import { startRedis } from '../support/redis.ts'
import { waitFor } from '../support/wait-for.ts'
import { call, refresh, type Session, signIn, tally, tokensOf, upstreamExpiry } from './client.ts'
import { allLines, type FaultHouse, startHouse } from './house.ts'

const TTL_SECONDS = 4

let house: FaultHouse
/** Its upstream tokens last, so that no refresh seals a grant anew. */
let lasting: FaultHouse
const newKey = mintKey()
const kidOf = (key: string) => createKeyRing([Buffer.from(key, 'base64')]).kids[0]!

beforeAll(async () => {
  house = await startHouse({ replicas: 2, idp: { accessTokenTtlSeconds: TTL_SECONDS } })
  lasting = await startHouse({ replicas: 2, idp: { accessTokenTtlSeconds: 600 } })
})
afterAll(() => Promise.all([house.close(), lasting.close()]))

/** One replica after the other, as in a rolling update. */
async function rollOut(
  { replicas }: FaultHouse,
  keys: string[],
  afterEach?: () => Promise<void>,
): Promise<void> {
  for (const replica of replicas) {
    await replica.stop()
    await replica.start({ config: { keys } })
    await afterEach?.()
  }
}

const callEverywhere = ({ replicas }: FaultHouse, session: Pick<Session, 'accessToken'>) =>
  Promise.all(replicas.map(replica => call(session, replica)))

describe('a new key in front of the old one', () => {
  it('logs nobody out: sealed grants, access tokens, refresh tokens and client ids go on', async () => {
    const session = await signIn(house)
    // First the new key is known everywhere, then it is the first.
    await rollOut(house, [house.key, newKey])
    await rollOut(house, [newKey, house.key], async () => {
      expect(tally(await callEverywhere(house, session))).toEqual({ 200: 2 })
    })
    const renewed = tokensOf(await refresh(session, house.replicas[0]!))
    expect(tally(await callEverywhere(house, renewed))).toEqual({ 200: 2 })
    const again = await signIn(house, session.clientId)
    expect(tally(await callEverywhere(house, again))).toEqual({ 200: 2 })
  }, 60_000)

  it('seals a grant anew with its next refresh, so that the old key can go', async () => {
    await rollOut(house, [house.key])
    const session = await signIn(house)
    expect(await house.redis!.dump()).toContain(`v1.${kidOf(house.key)}.`)
    await rollOut(house, [newKey, house.key])
    await upstreamExpiry(session, TTL_SECONDS)
    const renewed = tokensOf(await refresh(session, house.replicas[0]!))
    await waitFor(async () => isSealedOnlyWith(await grantsOf(renewed), newKey), {
      what: 'the grant to be sealed with the new key',
    })
    await rollOut(house, [newKey])
    expect(tally(await callEverywhere(house, renewed))).toEqual({ 200: 2 })
  }, 60_000)

  /** What Redis holds of the grant of an access token. */
  async function grantsOf({ accessToken }: { accessToken: string }): Promise<string> {
    const { gid } = JSON.parse(Buffer.from(accessToken.split('.')[1]!, 'base64url').toString())
    const lines = (await house.redis!.dump()).split('\n')
    return lines.filter(line => line.includes(`{${gid}}:grant`)).join('\n')
  }

  function isSealedOnlyWith(text: string, key: string): boolean {
    const kids = [...text.matchAll(/v1\.([\w-]{8})\./g)].map(([, kid]) => kid)
    return kids.length > 0 && kids.every(kid => kid === kidOf(key))
  }
})

describe('a key that is gone', () => {
  it('is an outage and no logout, and the log names it; with the key all is well again', async () => {
    const session = await signIn(lasting)
    await rollOut(lasting, [newKey, lasting.key])
    // Minted with the new key; the grant is still sealed with the old one.
    const renewed = tokensOf(await refresh(session, lasting.replicas[0]!))
    await rollOut(lasting, [newKey])
    const answers = await callEverywhere(lasting, renewed)
    expect(tally(answers)).toEqual({ 503: 2 })
    for (const { challenge, retryAfter } of answers) {
      expect(challenge).toBeNull()
      expect(Number(retryAfter)).toBeGreaterThanOrEqual(1)
    }
    const told = () =>
      allLines(lasting).filter(line =>
        JSON.stringify(line).includes(`key ${kidOf(lasting.key)}, which is not among the keys`),
      )
    await expect.poll(() => told()[0]).toMatchObject({ level: 'warn' })

    await rollOut(lasting, [newKey, lasting.key])
    expect(tally(await callEverywhere(lasting, renewed))).toEqual({ 200: 2 })
  }, 60_000)
})

describe('a Redis that may evict grants', () => {
  it('is warned of at the start', async () => {
    const redis = await startRedis(['--maxmemory-policy', 'allkeys-lru'])
    const evicting = await startHouse({ replicas: 1, redis: { url: redis.url } })
    try {
      const warnings = () =>
        allLines(evicting).filter(({ maxmemoryPolicy }) => maxmemoryPolicy === 'allkeys-lru')
      await waitFor(() => warnings().length === 1, { what: 'the warning' })
      expect(warnings()[0]).toMatchObject({ level: 'warn' })
      expect(String(warnings()[0]?.msg)).toContain('noeviction')
    } finally {
      await evicting.close()
      await redis.stop()
    }
  })
})

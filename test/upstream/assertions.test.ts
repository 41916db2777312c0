import { randomBytes } from 'node:crypto'
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { deriveAssertionKeys } from '../../src/domain/assertion-key.ts'
import { createKeyRing } from '../../src/domain/key-ring.ts'
import { createHouse } from './house.ts'

const FLOW = 'flow-1'
const AUDIENCE = 'urn:crm'
const CREDENTIAL = { kind: 'assertion', audience: AUDIENCE, ttlSeconds: 120 } as const

const published = (...keys: Buffer[]) => ({
  keys: deriveAssertionKeys(createKeyRing(keys)).map(({ publicJwk }) => ({ ...publicJwk })),
})

describe('keys of assertions', () => {
  it('follow from the ring: the same on every replica, others for other rings', () => {
    const [one, other] = [randomBytes(32), randomBytes(32)]
    expect(published(one)).toEqual(published(one))
    expect(published(one).keys[0]?.x).not.toBe(published(other).keys[0]?.x)
  })

  it('are published for the whole ring, so that what the former key has signed is still good', () => {
    const [one, other] = [randomBytes(32), randomBytes(32)]
    const { keys } = published(one, other)
    expect(keys).toEqual([...published(one).keys, ...published(other).keys])
    for (const key of keys) {
      expect(key).toMatchObject({ kty: 'EC', crv: 'P-256', use: 'sig', alg: 'ES256' })
      expect(key).not.toHaveProperty('d')
    }
  })
})

describe('credential assertion', () => {
  it('says who calls, by which client, to whom, and is signed with a published key', async () => {
    const house = await createHouse({ credential: CREDENTIAL })
    const identity = {
      ...{ issuer: house.idp.issuer, subject: 'alice', email: 'alice@example.com' },
      ...{ groups: ['staff'], roles: ['reader'] },
    }
    const { grantId } = await house.openGrant('fresh', { identity })
    const answer = await house.createSource().resolve(grantId, FLOW)
    const token = answer.outcome === 'usable' ? (answer.accessToken ?? '') : ''
    const { payload } = await jwtVerify(token, createLocalJWKSet(house.assertionKeys), {
      issuer: 'https://mcp.example.com',
      audience: AUDIENCE,
    })
    expect(payload).toMatchObject({
      ...{ sub: 'alice', idp: house.idp.issuer, client_id: 'a-client' },
      ...{ email: 'alice@example.com', groups: ['staff'], roles: ['reader'] },
    })
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(120)
    expect(decodeProtectedHeader(token)).toEqual({
      ...{ alg: 'ES256', typ: 'JWT' },
      kid: house.assertionKeys.keys[0]?.kid,
    })
  })

  it('is the same one until it is near its end, and a new one then', async () => {
    const house = await createHouse({ credential: CREDENTIAL })
    const source = house.createSource()
    const { grantId } = await house.openGrant('fresh')
    const tokenNow = async () => {
      const answer = await source.resolve(grantId, FLOW)
      return answer.outcome === 'usable' ? answer.accessToken : undefined
    }
    const first = await tokenNow()
    house.clock.advance(90)
    expect(await tokenNow()).toBe(first)
    house.clock.advance(10)
    expect(await tokenNow()).not.toBe(first)
    expect(source.peek(grantId)?.accessToken).toBe(await tokenNow())
  })

  it('that its backend refuses is minted anew, without troubling the upstream', async () => {
    const house = await createHouse({ credential: CREDENTIAL })
    const source = house.createSource()
    const { grantId } = await house.openGrant('fresh')
    const first = await source.resolve(grantId, FLOW)
    const rejected = first.outcome === 'usable' ? (first.accessToken ?? '') : ''
    const again = await source.resolveAfterRejection(grantId, rejected, FLOW)
    expect(again).toMatchObject({ outcome: 'usable' })
    expect(again).not.toMatchObject({ accessToken: rejected })
    expect(house.refreshes()).toBe(0)
  })

  it('needs the login to be alive: it is refreshed as usual', async () => {
    const house = await createHouse({ credential: CREDENTIAL })
    const { grantId } = await house.openGrant('stale')
    house.idp.revokeUser('alice')
    expect(await house.createSource().resolve(grantId, FLOW)).toEqual({
      outcome: 'gone',
      reason: 'invalid_grant',
    })
  })
})

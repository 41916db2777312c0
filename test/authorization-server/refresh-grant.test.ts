import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createKeyRing } from '../../src/domain/key-ring.ts'
import { mintRefreshToken } from '../../src/domain/refresh-token.ts'
import { createId } from '../../src/domain/secret.ts'
import type { OidcProvider } from '../support/oidc-provider.ts'
import { claimsOf, refusalOf, setUp } from './refreshing.ts'
import {
  obtainCode,
  type Registered,
  refreshRequest,
  register,
  signIn,
  tokensFor,
} from './sign-in.ts'
import { CRM, createGateway, type Gateway, ISSUER, startIdp } from './support.ts'

let idp: OidcProvider

beforeAll(async () => {
  idp = await startIdp()
})
afterEach(() => idp.clearFaults())
afterAll(() => idp.close())

describe('a refresh (RFC 6749 section 6)', () => {
  it('gives a new pair for the same grant, and both work (known failure 15)', async () => {
    const { gateway, client, tokens } = await setUp({ idp })
    const fresh = await tokensFor(gateway, refreshRequest(client, tokens.refresh_token))
    expect(fresh).toMatchObject({ token_type: 'Bearer', expires_in: 900, scope: tokens.scope })
    expect(fresh.access_token).not.toBe(tokens.access_token)
    expect(fresh.refresh_token).not.toBe(tokens.refresh_token)
    const [before, after] = [await claimsOf(gateway, tokens), await claimsOf(gateway, fresh)]
    expect(after).toEqual({ ...before, tokenId: after.tokenId })
    expect(after.tokenId).not.toBe(before.tokenId)
    expect(await gateway.server.tokens.resolve(after.grantId, 'test')).toMatchObject({
      outcome: 'usable',
    })
    await tokensFor(gateway, refreshRequest(client, fresh.refresh_token))
  })

  it('does not touch the IdP while the upstream token is fresh', async () => {
    const { gateway, client, tokens } = await setUp({ idp })
    const before = idp.counts.refresh.requests
    await tokensFor(gateway, refreshRequest(client, tokens.refresh_token))
    expect(idp.counts.refresh.requests).toBe(before)
  })

  it('renews the upstream token where it has ended', async () => {
    const { gateway, client, tokens } = await setUp({ idp })
    const { grantId } = await claimsOf(gateway, tokens)
    const before = await gateway.store.grants.find(grantId)
    gateway.clock.advance(101)
    await tokensFor(gateway, refreshRequest(client, tokens.refresh_token))
    const after = await gateway.store.grants.find(grantId)
    expect(after?.version).toBe((before?.version ?? 0) + 1)
    expect(after?.upstreamTokens.accessToken).not.toBe(before?.upstreamTokens.accessToken)
  })

  it('is possible with a key that is no longer the first, and not with one that has left (ring rotation)', async () => {
    const [oldKey, newKey] = [randomBytes(32), randomBytes(32)]
    const { gateway, client, tokens } = await setUp({ idp, ring: createKeyRing([oldKey]) })
    const store = () => gateway.store
    const rotated = createGateway({ idp, store, ring: createKeyRing([newKey, oldKey]) })
    const fresh = await tokensFor(rotated, refreshRequest(client, tokens.refresh_token))
    const later = createGateway({ idp, store, ring: createKeyRing([newKey]) })
    const anew = await register(later)
    // The client id was made by the key that left, so the client registers anew; its old tokens are another client's.
    expect((await later.post('/token', refreshRequest(client, fresh.refresh_token))).status).toBe(
      401,
    )
    expect(await refusalOf(later, anew, fresh.refresh_token)).toBe('invalid_grant')
  })
})

describe('rotation (RFC 9700 section 4.14)', () => {
  it('repeats the same successor for a lost answer, for a minute (known failure 20)', async () => {
    const { gateway, client, tokens } = await setUp({ idp })
    const request = refreshRequest(client, tokens.refresh_token)
    const first = await tokensFor(gateway, request)
    gateway.clock.advance(59)
    const again = await tokensFor(gateway, request)
    expect(again.refresh_token).toBe(first.refresh_token)
    await tokensFor(gateway, refreshRequest(client, first.refresh_token))
  })

  it('gives everybody who races live tokens (known failure 20)', async () => {
    const { gateway, client, tokens } = await setUp({ idp })
    const request = refreshRequest(client, tokens.refresh_token)
    const all = await Promise.all(Array.from({ length: 20 }, () => tokensFor(gateway, request)))
    expect(new Set(all.map(({ refresh_token }) => refresh_token)).size).toBe(1)
    for (const one of all) await claimsOf(gateway, one)
  })

  it.each<[string, (gateway: Gateway, client: Registered, successor: string) => Promise<unknown>]>([
    ['the minute is over', async gateway => gateway.clock.advance(60)],
    [
      'its successor was used',
      (gateway, client, successor) => tokensFor(gateway, refreshRequest(client, successor)),
    ],
  ])(
    'takes a spent token for stolen once %s, and ends the grant (known failure 21)',
    async (_when, happen) => {
      const { gateway, client, tokens } = await setUp({ idp })
      const fresh = await tokensFor(gateway, refreshRequest(client, tokens.refresh_token))
      const { grantId } = await claimsOf(gateway, fresh)
      await happen(gateway, client, fresh.refresh_token)
      expect(await refusalOf(gateway, client, tokens.refresh_token)).toBe('invalid_grant')
      expect(await gateway.store.grants.find(grantId)).toBeUndefined()
      expect(await refusalOf(gateway, client, fresh.refresh_token)).toBe('invalid_grant')
      expect(await gateway.server.tokens.resolve(grantId, 'test')).toMatchObject({
        outcome: 'gone',
      })
      expect(gateway.log()).toContain('"reason":"refresh token replayed"')
    },
  )

  it('keeps a grant alive that is used, up to its absolute end, and not one that is not used (known failure 18)', async () => {
    const lifetimes = { idleSeconds: 1000, absoluteSeconds: 2500 }
    const { gateway, client, tokens } = await setUp({ idp, lifetimes })
    let { refresh_token } = tokens
    for (const expected of [900, 700]) {
      gateway.clock.advance(900)
      const fresh = await tokensFor(gateway, refreshRequest(client, refresh_token))
      expect(fresh.expires_in).toBe(expected)
      refresh_token = fresh.refresh_token
    }
    gateway.clock.advance(700)
    expect(await refusalOf(gateway, client, refresh_token)).toBe('invalid_grant')

    const idle = await setUp({ idp, lifetimes })
    idle.gateway.clock.advance(1000)
    expect(await refusalOf(idle.gateway, idle.client, idle.tokens.refresh_token)).toBe(
      'invalid_grant',
    )
  })
})

describe('whose refresh token it is, and for what', () => {
  it('another client gets nothing for it, and it goes on working for its own (known failure 17)', async () => {
    const { gateway, client, tokens } = await setUp({ idp })
    const thief = await register(gateway)
    expect(await refusalOf(gateway, thief, tokens.refresh_token)).toBe('invalid_grant')
    const fresh = await tokensFor(gateway, refreshRequest(client, tokens.refresh_token))
    expect(fresh.refresh_token).toContain('.1.')
  })

  it('narrows the scope of one access token, and not of the grant', async () => {
    const { gateway, client, tokens } = await setUp({ idp })
    const narrow = { scope: 'crm.read' }
    const fresh = await tokensFor(gateway, refreshRequest(client, tokens.refresh_token, narrow))
    expect(fresh.scope).toBe('crm.read')
    expect((await claimsOf(gateway, fresh)).scope).toEqual(['crm.read'])
    const whole = await tokensFor(gateway, refreshRequest(client, fresh.refresh_token))
    expect(whole.scope).toBe('crm.read crm.write')
  })

  it.each(['crm.read crm.write', 'crm.write', 'openid', 'crm.read "', ' '])(
    'refuses the scope %j beyond what was granted, and spends nothing (known failure 19)',
    async scope => {
      const gateway = createGateway({ idp })
      const client = await register(gateway)
      const { refresh_token } = await signIn(gateway, client, { scope: 'crm.read' })
      expect(await refusalOf(gateway, client, refresh_token, { scope })).toBe('invalid_scope')
      const fresh = await tokensFor(gateway, refreshRequest(client, refresh_token))
      expect(fresh.scope).toBe('crm.read')
      expect(fresh.refresh_token).toContain('.1.')
    },
  )

  it('may name its resource, and no other (RFC 8707 section 2.2)', async () => {
    const { gateway, client, tokens } = await setUp({ idp })
    for (const resource of [`${ISSUER}/wiki/mcp`, 'https://other.example/', 'x', `${CRM}#x`]) {
      expect(await refusalOf(gateway, client, tokens.refresh_token, { resource })).toBe(
        'invalid_target',
      )
    }
    const request = refreshRequest(client, tokens.refresh_token, { resource: `${CRM}/` })
    expect((await claimsOf(gateway, await tokensFor(gateway, request))).resource).toBe(CRM)
  })

  it('is a refresh token, and neither an access token, nor a code, nor one of another gateway (known failure 14)', async () => {
    const { gateway, client, tokens } = await setUp({ idp })
    const { grantId } = await claimsOf(gateway, tokens)
    const foreign = createKeyRing([randomBytes(32)])
    for (const token of [
      tokens.access_token,
      `${tokens.refresh_token}x`,
      tokens.refresh_token.replace('.0.', '.1.'),
      mintRefreshToken(foreign, grantId, 0),
      `rt_${grantId}`,
      grantId,
    ]) {
      expect(await refusalOf(gateway, client, token)).toBe('invalid_grant')
    }
    expect(await gateway.server.accessTokens.verify(tokens.refresh_token)).toBeUndefined()
    const fresh = await tokensFor(gateway, refreshRequest(client, tokens.refresh_token))
    expect(fresh.refresh_token).toContain('.1.')
  })

  it('of a grant that never was gets nothing', async () => {
    const { gateway, client } = await setUp({ idp })
    const token = mintRefreshToken(gateway.server.ring, createId(), 0)
    expect(await refusalOf(gateway, client, token)).toBe('invalid_grant')
  })

  it('of a grant whose code was not redeemed gets nothing', async () => {
    const gateway = createGateway({ idp })
    const client = await register(gateway)
    await obtainCode(gateway, client)
    const [unredeemed] = await gateway.store.grants.listByClient(client.client_id)
    const token = mintRefreshToken(gateway.server.ring, unredeemed?.grantId ?? '', 0)
    expect(await refusalOf(gateway, client, token)).toBe('invalid_grant')
  })
})

import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import type { Entra } from '../support/upstreams/entra.ts'
import type { Tokens } from '../support/upstreams/mcp-user.ts'
import { findGrant, type Scene, stageEntra } from '../support/upstreams/scene.ts'

/** Which authentication context the backend wants to see in a token; nothing where it is content. */
type Wanted = { context: string | undefined }

const claimsOf = (context: string) =>
  JSON.stringify({ access_token: { acrs: { essential: true, value: context } } })

const challenge = (claims: string) => {
  const encoded = Buffer.from(claims).toString('base64')
  return { 'www-authenticate': `Bearer error="insufficient_claims", claims="${encoded}"` }
}

async function setUp(isContent: (wanted: string, acrs: unknown) => boolean, more?: object) {
  const wanted: Wanted = { context: undefined }
  const scene = await stageEntra(() => ({}), {
    answer: authorization => {
      const { context } = wanted
      const { acrs } = decodeJwt(authorization.replace('Bearer ', ''))
      if (context === undefined || isContent(context, acrs)) return { status: 200 }
      return { status: 401, headers: challenge(claimsOf(context)) }
    },
    more: async (_callback, url) => ({
      backends: [{ path: '/crm/mcp', instances: [url], ...more }],
    }),
  })
  return { wanted, scene }
}

const holds = (wanted: string, acrs: unknown) => Array.isArray(acrs) && acrs.includes(wanted)

const asked = ({ vendor }: Scene<Entra>) =>
  vendor.requestsTo('authorize').map(({ query }) => query.claims)

const deathOf = async ({ replicas }: Scene<Entra>, { refresh_token: token }: Tokens) =>
  (await findGrant(replicas, token)).dead

describe('insufficient_claims of a backend', () => {
  it('goes with the next login to Entra, which then opens the backend', async () => {
    const { wanted, scene } = await setUp(holds)
    const { user } = scene
    const tokens = await user.signIn()
    expect(await user.call(tokens.access_token)).toBe(200)
    wanted.context = 'c1'
    expect(await user.call(tokens.access_token)).toBe(401)
    expect(await deathOf(scene, tokens)).toMatchObject({
      error: 'insufficient_claims',
      claims: claimsOf('c1'),
    })
    expect(await user.refresh(tokens.refresh_token)).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    })
    const again = await user.signIn()
    expect(asked(scene)).toEqual([undefined, undefined, claimsOf('c1')])
    expect(await user.call(again.access_token)).toBe(200)
    await user.signIn()
    expect(asked(scene)).toHaveLength(4)
  })

  it('does not cost a refresh: none would help', async () => {
    const { wanted, scene } = await setUp(holds)
    const tokens = await scene.user.signIn()
    wanted.context = 'c1'
    await scene.user.call(tokens.access_token)
    expect(scene.vendor.requestsTo('token')).toHaveLength(1)
    expect(scene.replicas.backendTokens).toHaveLength(1)
  })

  it('that the login has not brought is a 403, and no reason to sign in again', async () => {
    const { wanted, scene } = await setUp(() => false)
    const { user, replicas } = scene
    const tokens = await user.signIn()
    wanted.context = 'c1'
    expect(await user.call(tokens.access_token)).toBe(401)
    const again = await user.signIn()
    for (const seconds of [0, 100]) {
      replicas.advance(seconds)
      expect(await user.call(again.access_token)).toBe(403)
    }
    expect(await deathOf(scene, again)).toBeUndefined()
    expect(replicas.log()).toContain('although the login has asked for them')
  })

  it('that is another one each time is not asked for right after a login that has asked', async () => {
    const { wanted, scene } = await setUp(holds)
    const { user, replicas } = scene
    const tokens = await user.signIn()
    wanted.context = 'c1'
    await user.call(tokens.access_token)
    const again = await user.signIn()
    wanted.context = 'c2'
    expect(await user.call(again.access_token)).toBe(403)
    replicas.advance(60)
    expect(await user.call(again.access_token)).toBe(401)
    const last = await user.signIn()
    expect(asked(scene).at(-1)).toBe(claimsOf('c2'))
    expect(await user.call(last.access_token)).toBe(200)
  })

  it('ends with 401 where the token is not the upstream’s, after one other try', async () => {
    const credential = { assertion: { audience: 'crm' } }
    const { wanted, scene } = await setUp(holds, { credential })
    const tokens = await scene.user.signIn()
    wanted.context = 'c1'
    expect(await scene.user.call(tokens.access_token)).toBe(401)
    expect(scene.replicas.backendTokens).toHaveLength(2)
    expect(await deathOf(scene, tokens)).toBeUndefined()
  })
})

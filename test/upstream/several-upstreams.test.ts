import { decodeJwt } from 'jose'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type OidcProvider, startOidcProvider } from '../support/oidc-provider.ts'
import { createMcpUser } from '../support/upstreams/mcp-user.ts'
import { type Replicas, startReplicas } from '../support/upstreams/replicas.ts'

type Scene = { staff: OidcProvider; partners: OidcProvider; crm: Replicas; wiki: Replicas }

/** Two replicas; `/crm/mcp` takes the tokens of one IdP, `/wiki/mcp` those of the other. */
async function setUp(): Promise<Scene> {
  const idps: OidcProvider[] = []
  const startIdp = async (callbackUrl: string) => {
    const idp = await startOidcProvider({ redirectUris: [callbackUrl] })
    onTestFinished(idp.close)
    idps.push(idp)
    const { issuer, clientId, clientSecret } = idp
    return { provider: 'oidc', issuer, clientId, clientSecret }
  }
  const crm = await startReplicas({
    more: async (callbackUrl, url) => ({
      upstreams: { staff: await startIdp(callbackUrl), partners: await startIdp(callbackUrl) },
      backends: [
        { path: '/crm/mcp', instances: [url], upstream: 'staff' },
        { path: '/wiki/mcp', instances: [url], upstream: 'partners' },
      ],
    }),
  })
  const [staff, partners] = idps
  if (!staff || !partners) throw new Error('an IdP is missing')
  return { staff, partners, crm, wiki: { ...crm, resource: `${crm.origin}/wiki/mcp` } }
}

const issuerOf = (authorization = '') => decodeJwt(authorization.replace('Bearer ', '')).iss

describe('several upstreams', () => {
  it('sign in the users of their own backends, by one callback URL, and each backend gets the tokens of its own', async () => {
    const { staff, partners, crm, wiki } = await setUp()
    const crmUser = await createMcpUser(crm)
    const wikiUser = await createMcpUser(wiki)
    const crmTokens = await crmUser.signIn()
    const wikiTokens = await wikiUser.signIn()
    expect(await crmUser.call(crmTokens.access_token)).toBe(200)
    expect(await wikiUser.call(wikiTokens.access_token)).toBe(200)
    expect(crm.backendTokens.map(issuerOf)).toEqual([staff.issuer, partners.issuer])
    expect([staff.counts.code.requests, partners.counts.code.requests]).toEqual([1, 1])
  })

  it('do not share grants: the access token for one backend is no use at another', async () => {
    const { crm, wiki } = await setUp()
    const crmUser = await createMcpUser(crm)
    const wikiUser = await createMcpUser(wiki)
    const { access_token } = await crmUser.signIn()
    expect(await wikiUser.call(access_token)).toBe(401)
    expect(crm.backendTokens).toEqual([])
  })

  it('keep apart users with the same subject', async () => {
    const { staff, partners, crm, wiki } = await setUp()
    await (await createMcpUser(crm)).signIn({ as: 'alice' })
    await (await createMcpUser(wiki)).signIn({ as: 'alice' })
    const ofStaff = await crm.store.grants.listBySubject(staff.issuer, 'alice')
    const ofPartners = await crm.store.grants.listBySubject(partners.issuer, 'alice')
    expect(ofStaff.map(({ upstream }) => upstream)).toEqual(['staff'])
    expect(ofPartners.map(({ upstream }) => upstream)).toEqual(['partners'])
  })

  it('do not answer for each other: a callback that names another issuer is refused, and no code is sent anywhere (RFC 9207 section 2.4)', async () => {
    const { staff, partners, crm } = await setUp()
    const ofStaff = `iss=${encodeURIComponent(staff.issuer)}`
    const mixUp = (url: string) =>
      url.startsWith(crm.callbackUrl)
        ? url.replace(ofStaff, `iss=${encodeURIComponent(partners.issuer)}`)
        : url
    const page = await (await createMcpUser(crm, mixUp)).authorize()
    expect(new URL(page.url).searchParams.get('error')).toBe('server_error')
    expect([staff.counts.code.requests, partners.counts.code.requests]).toEqual([0, 0])
  })
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { OidcProvider } from '../support/oidc-provider.ts'
import { reachCallback, register, signIn } from './sign-in.ts'
import { CRM, createGateway, type GatewayOptions, startIdp } from './support.ts'

let idp: OidcProvider

beforeAll(async () => {
  idp = await startIdp()
})
afterAll(() => idp.close())

/** Alice is in `admins`, Bob is not. */
const allow: NonNullable<GatewayOptions['allow']> = { any: [{ group: 'admins' }] }
const upstream = { scopes: ['openid', 'profile', 'email', 'groups', 'offline_access'] }

describe('a resource that is not for everybody', () => {
  it('lets in who meets its rule', async () => {
    const gateway = createGateway({ idp, upstream, allow })
    const tokens = await signIn(gateway, await register(gateway), { login_hint: 'alice' })
    expect(tokens.access_token).toMatch(/^ey/)
  })

  it('shows anybody else who may not use what, opens no grant, and audits it', async () => {
    const gateway = createGateway({ idp, upstream, allow })
    const client = await register(gateway)
    const { callback, cookie } = await reachCallback(gateway, client, { login_hint: 'bob' })
    const response = await gateway.request(callback.pathname + callback.search, {
      headers: { cookie },
    })
    expect(response.status).toBe(403)
    expect(response.headers.get('location')).toBeNull()
    const page = await response.text()
    expect(page).toContain('Your account may not use this')
    expect(page).toContain('Account: <bdi>bob@example.com</bdi>')
    expect(page).toContain('Service: <bdi>crm/mcp</bdi>')
    const subject = { issuer: idp.issuer, subject: 'bob' }
    expect(await gateway.store.grants.listBySubject(subject.issuer, subject.subject)).toEqual([])
    const denials = gateway
      .log()
      .split('\n')
      .filter(line => line.includes('"audit":true') && line.includes('"denied"'))
    expect(denials.map(line => JSON.parse(line))).toEqual([
      expect.objectContaining({
        ...{ event: 'login', reason: 'not group admins', resource: CRM },
        ...subject,
      }),
    ])
  })
})

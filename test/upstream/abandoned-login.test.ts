import { describe, expect, it } from 'vitest'
import { OutageError } from '../../src/domain/outage.ts'
import { API, AUTH0, OIDC } from '../support/upstreams/oidc-profiles.ts'
import type { OidcVendor } from '../support/upstreams/oidc-vendor.ts'
import { type Scene, stageOidc } from '../support/upstreams/scene.ts'
import { waitFor } from '../support/wait-for.ts'

/** Signs in while no grant can be opened. @returns the refresh token that the provider gave for that */
async function failToOpen({ vendor, replicas, user }: Scene<OidcVendor>): Promise<string> {
  let given = ''
  vendor.intercept(async ({ path }, proceed) => {
    const answer = await proceed()
    if (path === '/token' && 'body' in answer) {
      given = (JSON.parse(String(answer.body)) as { refresh_token: string }).refresh_token
    }
    return answer
  })
  replicas.store.grants.open = async () => {
    throw new OutageError('store', 'the store is away')
  }
  const page = await user.authorize()
  expect(new URL(page.url).searchParams.get('error')).toBe('temporarily_unavailable')
  expect(given).not.toBe('')
  return given
}

describe('a login that fails here after the provider has given tokens', () => {
  it('revokes the refresh token there, which nobody will ever use', async () => {
    const scene = await stageOidc(OIDC, ({ issuer }) => ({ provider: 'oidc', issuer }))
    const given = await failToOpen(scene)
    const revocations = () => scene.vendor.requestsTo('revocation')
    await waitFor(() => revocations().length > 0, { what: 'the revocation' })
    expect(revocations().map(({ form }) => form.token)).toEqual([given])
  })

  it('answers the client all the same where the provider does not revoke', async () => {
    const scene = await stageOidc(OIDC, ({ issuer }) => ({ provider: 'oidc', issuer }))
    const given = await failToOpen({
      ...scene,
      vendor: {
        ...scene.vendor,
        intercept: interception =>
          scene.vendor.intercept((request, proceed) =>
            request.path.endsWith('/revocation')
              ? { drop: true }
              : interception?.(request, proceed),
          ),
      },
    })
    const complaint = 'did not revoke the tokens of a login that failed here'
    await waitFor(() => scene.replicas.log().includes(complaint), { what: 'the line in the log' })
    expect(scene.replicas.log()).not.toContain(given)
  })

  it('revokes nothing where that would end the other logins of the user too', async () => {
    const scene = await stageOidc(AUTH0, ({ issuer }) => ({
      ...{ provider: 'auth0', domain: 'example.eu.auth0.com', audience: API, issuer },
    }))
    const { access_token: token, refresh_token: refreshToken } = await scene.user.signIn()
    await failToOpen(scene)
    expect(await scene.user.call(token)).toBe(200)
    scene.replicas.advance(3700)
    expect(await scene.user.refresh(refreshToken)).toMatchObject({ status: 200 })
    expect(scene.vendor.requestsTo('revocation')).toEqual([])
  })
})

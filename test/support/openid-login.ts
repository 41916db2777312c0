import * as oidc from 'openid-client'
import type { BrowserAgent, Page } from './browser-agent.ts'

/** A relying party on openid-client, for tests of an IdP by itself. */
export type RelyingParty = {
  config: oidc.Configuration
  /** Opens a login in the browser; `finish` takes the page on which it came back to the redirect URI. */
  begin(agent: BrowserAgent, parameters?: Record<string, string>): Promise<Login>
}

export type Login = {
  page: Page
  finish(page: Page): ReturnType<typeof oidc.authorizationCodeGrant>
}

export async function createRelyingParty(
  issuer: string,
  client: { id: string; secret: string; redirectUri: string },
  auth: (secret: string) => oidc.ClientAuth = oidc.ClientSecretPost,
): Promise<RelyingParty> {
  const config = await oidc.discovery(new URL(issuer), client.id, {}, auth(client.secret), {
    execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks],
  })
  return {
    config,
    begin: async (agent, parameters = {}) => {
      const pkceCodeVerifier = oidc.randomPKCECodeVerifier()
      const expectedState = oidc.randomState()
      const expectedNonce = oidc.randomNonce()
      const url = oidc.buildAuthorizationUrl(config, {
        redirect_uri: client.redirectUri,
        scope: 'openid profile email offline_access',
        code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: 'S256',
        state: expectedState,
        nonce: expectedNonce,
        ...parameters,
      })
      const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true }
      return {
        page: await agent.open(url.href),
        finish: page => oidc.authorizationCodeGrant(config, new URL(page.url), checks),
      }
    },
  }
}

import type { Scope } from './scope.ts'

/** A checked authorization request: the client is known, the redirect URI is one of its own, the resource is one of ours. */
export type AuthorizationRequest = {
  clientId: string
  clientName: string
  redirectUri: string
  /** The client left it out, having registered only one, so it may leave it out at `/token` too. */
  redirectUriImplied?: boolean
  /** The client's own, returned as it came. */
  state?: string
  /** S256. */
  codeChallenge: string
  resource: string
  scope: Scope
  prompt?: string
  loginHint?: string
}

/** A request that waits for its user to approve it on the consent page. */
export type PendingConsent = {
  stage: 'consent'
  flowId: string
  upstream: string
  request: AuthorizationRequest
  /** Digest of the cookie that was set with the page. */
  csrfDigest: string
}

/** A request that its user has approved and that waits for the upstream's answer. */
export type PendingLogin = {
  stage: 'login'
  flowId: string
  upstream: string
  request: AuthorizationRequest
  /** Digest of the cookie that was set after approval; the callback needs it. */
  browserDigest: string
  /** PKCE verifier of our own request to the upstream. */
  codeVerifier: string
  nonce: string
  /** What conditional access wanted of this login: it was begun anew because of that, and is not begun anew again. */
  claims?: string
}

export type PendingAuthorization = PendingConsent | PendingLogin

/** What an authorization code of ours stands for. Its grant is open already, and ends soon unless the code is redeemed. */
export type AuthorizationCode = {
  flowId: string
  grantId: string
  clientId: string
  redirectUri: string
  /** As in the request. */
  redirectUriImplied?: boolean
  codeChallenge: string
  resource: string
}

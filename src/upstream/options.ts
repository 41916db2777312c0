import type { FailureRule } from './failure-rules.ts'
import type { ClaimNames } from './identity.ts'
import { STANDARD_SCOPES } from './template.ts'

/** A private key with which the gateway proves who it is. */
export type ClientKey = {
  /** PEM. */
  key: string
  /** PEM; its thumbprint tells the upstream which of the registered certificates is meant. */
  certificate?: string
  /** `kid`, where the upstream knows the key by one. */
  keyId?: string
  /** Of RSA keys; other keys have one of their own. */
  rsaAlgorithm: 'PS256' | 'RS256'
  audience: 'issuer' | 'tokenEndpoint'
}

/** Which tenants may sign in: the claim must be there, and have one of these values. */
export type Tenancy = { claim: string; allowed: readonly string[] }

/** One upstream as the gateway uses it: the configuration, completed by its preset. */
export type UpstreamOptions = {
  /** The name by which grants and backends refer to it. */
  name: string
  issuer: string
  clientId: string
  /** One of three ways to authenticate; the others are a key and a file. */
  clientSecret?: string
  clientKey?: ClientKey
  /** Path of an assertion that somebody else issues and renews (workload identity). Read at each use. */
  clientAssertionFile?: string
  /** How a secret is sent. */
  tokenAuthMethod: 'client_secret_post' | 'client_secret_basic'
  /** Asked for at login; `openid` is among them, unless there are `endpoints`. */
  scopes: readonly string[]
  /** Added to one step each; what one step needs breaks another. */
  authorizeParams: Readonly<Record<string, string>>
  codeParams: Readonly<Record<string, string>>
  refreshParams: Readonly<Record<string, string>>
  /** Which `scope` goes with a refresh: what was granted, what was asked for at login, or none. */
  refreshScope: 'granted' | 'requested' | 'none'
  /** What is done about `iss` on the callback, beyond what discovery advertises. */
  issParam: 'require' | 'verify' | 'ignore'
  /** Whether a refresh token may be presented again when the answer to its first use was lost. */
  repeatsRefresh: boolean
  /** Bound of each request to the upstream. */
  timeoutMs: number
  /** Where the upstream sends the browser back to: `publicUrl` and `/callback`. */
  callbackUrl: string
  /** For an upstream that is no OpenID provider: what discovery would say, and where it says whose a token is. */
  endpoints?: { authorization: string; token: string; user: string }
  /** Default: those of the standard. */
  claims?: ClaimNames
  /** Further claims that rules of access look at. */
  keptClaims?: readonly string[]
  tenancy?: Tenancy
  /** What its errors mean, where that is not what the standard says. */
  failures?: readonly FailureRule[]
  /** Errors come with status 200. */
  hasErrorsWith200?: boolean
  /** A revocation ends what the user has given this client altogether, the other logins too. */
  revokesAll?: boolean
  /** The life of an access token whose answer does not say. Default 3600. */
  unstatedLifeSeconds?: number
}

/** How to deal with an OpenID provider that keeps to the standard; what is its own is the client there, and where it is. */
export const STANDARD_PROVIDER = {
  tokenAuthMethod: 'client_secret_post',
  scopes: STANDARD_SCOPES,
  authorizeParams: {},
  codeParams: {},
  refreshParams: {},
  refreshScope: 'none',
  issParam: 'verify',
  repeatsRefresh: false,
  timeoutMs: 10_000,
} as const satisfies Partial<UpstreamOptions>

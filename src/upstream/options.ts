/** One upstream as the gateway uses it: the configuration, completed by its preset. */
export type UpstreamOptions = {
  /** The name by which grants and backends refer to it. */
  name: string
  issuer: string
  clientId: string
  clientSecret: string
  tokenAuthMethod: 'client_secret_post' | 'client_secret_basic'
  /** Asked for at login; `openid` is among them. */
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
}

import type { JWTVerifyGetKey } from 'jose'

/** An identity provider that decides by itself who may use what here, and says so in assertions. */
export type EnterpriseIssuer = {
  /** Exact. */
  issuer: string
  /** Throws jose's errors where there is no such key, and `OAuthError` `temporarily_unavailable` where the keys cannot be had now. */
  keys: JWTVerifyGetKey
  /** Whose clients' assertions count; any client's where it is not said. */
  clients?: readonly string[]
}

import { createRemoteJWKSet, jwtVerify } from 'jose'
import { errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider'

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

export const EXCHANGE_GRANT_TYPES = [EXCHANGE, JWT_BEARER]

type Params = Record<string, unknown>

/** The grant types that turn one access token into another, for an oidc-provider that has none. */
export type TokenExchange = {
  /** What was asked for, request by request. */
  requests: Params[]
  /** What the next requests are answered with instead. */
  refuseWith(error: string | undefined, fields?: Record<string, string>): void
  register(provider: Provider): void
}

/**
 * Takes access tokens that are alive, as RFC 8693 has it or as Entra ID's on-behalf-of flow, and gives JWTs for the audience that is asked for.
 *
 * @param ttlSeconds life of what is given
 */
export function createTokenExchange(ttlSeconds = 60): TokenExchange {
  const requests: Params[] = []
  let refusal: { error: string; fields: Record<string, string> } | undefined

  /** Handlers of further grant types are called without `next`. */
  const answer = async (
    provider: Provider,
    ctx: KoaContextWithOIDC,
    describe: (params: Params) => { subjectToken: unknown; audience: unknown },
  ): Promise<void> => {
    const params = Object.fromEntries(
      Object.entries(ctx.oidc.params ?? {}).filter(([, value]) => value !== undefined),
    )
    requests.push(params)
    if (refusal) {
      ctx.status = 400
      ctx.body = { error: refusal.error, ...refusal.fields }
      return
    }
    const { subjectToken, audience } = describe(params)
    const { client } = ctx.oidc
    const subject = await findSubject(provider, String(subjectToken))
    if (!subject || !client) throw new errors.InvalidGrant('the subject token is not good')
    const token = new provider.AccessToken({
      accountId: subject.accountId,
      grantId: subject.grantId ?? '',
      client,
      gty: String(params.grant_type),
      scope: String(params.scope ?? 'mcp.access'),
      expiresWithSession: false,
    } as ConstructorParameters<typeof provider.AccessToken>[0])
    token.resourceServer = new provider.ResourceServer(String(audience), {
      audience: String(audience),
      scope: String(params.scope ?? 'mcp.access'),
      accessTokenFormat: 'jwt',
      accessTokenTTL: ttlSeconds,
      jwt: { sign: { alg: 'RS256' } },
    })
    ctx.body = {
      access_token: await token.save(),
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: ttlSeconds,
    }
  }

  return {
    requests,
    refuseWith: (error, fields = {}) => {
      refusal = error === undefined ? undefined : { error, fields }
    },
    register: provider => {
      provider.registerGrantType(
        EXCHANGE,
        ctx =>
          answer(provider, ctx, ({ subject_token, audience, resource }) => ({
            subjectToken: subject_token,
            audience: audience ?? resource,
          })),
        [
          'subject_token',
          'subject_token_type',
          'audience',
          'resource',
          'scope',
          'requested_token_type',
        ],
        ['audience', 'resource'],
      )
      provider.registerGrantType(
        JWT_BEARER,
        ctx =>
          answer(provider, ctx, ({ assertion, scope }) => ({
            subjectToken: assertion,
            audience: String(scope).replace(/\/[^/]*$/, ''),
          })),
        ['assertion', 'requested_token_use', 'scope'],
      )
    },
  }
}

/** Opaque tokens are looked up; JWTs, which the provider does not keep, are verified. */
async function findSubject(
  provider: Provider,
  token: string,
): Promise<{ accountId?: string | undefined; grantId?: string | undefined } | undefined> {
  if (!token.includes('.')) return provider.AccessToken.find(token)
  const keys = createRemoteJWKSet(new URL(`${provider.issuer}/jwks`))
  const options = { issuer: provider.issuer, typ: 'at+jwt' }
  const verified = await jwtVerify(token, keys, options).catch(() => undefined)
  return verified && { accountId: verified.payload.sub }
}

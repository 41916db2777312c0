import { createServer } from 'node:http'
import type { JWKS } from 'oidc-provider'
import { createIdpHandler } from '../../src/dev/idp.ts'
import { createSigningKeys, type IdpSettings } from '../../src/dev/idp-configuration.ts'
import { createIdpStorage } from '../../src/dev/idp-storage.ts'
import { listen } from '../../src/dev/listen.ts'
import { type DevUser, SAMPLE_USERS } from '../../src/dev/users.ts'
import { createSecret } from '../../src/domain/secret.ts'
import { createLogger } from '../../src/observability/log.ts'
import { createFaultFront, type FaultFront } from './fault-front.ts'
import type { SecretsLog } from './secrets-log.ts'
import { EXCHANGE_GRANT_TYPES, type TokenExchange } from './token-exchange.ts'

export type OidcProviderOptions = {
  /** Callback URLs of the gateway. */
  redirectUris: readonly string[]
  clientId?: string
  clientSecret?: string
  users?: readonly DevUser[]
  /** Who signs in where `login_hint` names nobody (by subject or e-mail). `ask` shows the sign-in page. Default: the first user. */
  defaultUser?: string | 'ask'
  accessTokenTtlSeconds?: number
  /** A new refresh token at each use; using an old one again ends its family. */
  rotation?: boolean
  /** JWTs, or opaque tokens. */
  jwtAccessTokens?: boolean
  port?: number
  /** Also exchanges tokens, in both ways. */
  exchange?: TokenExchange
  /** Learns every secret that passes between the gateway and the IdP. */
  secrets?: SecretsLog
}

export type OidcProvider = Pick<FaultFront, 'counts' | 'setFault' | 'clearFaults'> & {
  issuer: string
  clientId: string
  clientSecret: string
  /** Ends the user's sessions and grants: the next refresh is answered with `invalid_grant`. */
  revokeUser(subject: string): void
  /** Signs with a new key from now on, and publishes no other. Sessions and grants stay. */
  rotateKeys(): Promise<void>
  /** Refuses connections until `comeBack`. Sessions and grants stay. */
  goDown(): Promise<void>
  comeBack(): Promise<void>
  close(): Promise<void>
}

/** Starts a real OpenID provider that signs everybody in by itself, behind a front that counts and injects faults. */
export async function startOidcProvider(options: OidcProviderOptions): Promise<OidcProvider> {
  const { clientId = 'gateway', clientSecret = createSecret(), users = SAMPLE_USERS } = options
  const storage = createIdpStorage()
  const settings: Omit<IdpSettings, 'jwks' | 'renderError' | 'signInPath'> = {
    client: {
      id: clientId,
      secret: clientSecret,
      redirectUris: options.redirectUris,
      ...(options.exchange && { furtherGrantTypes: EXCHANGE_GRANT_TYPES }),
    },
    users,
    storage,
    cookieKey: createSecret(),
    accessTokenTtlSeconds: options.accessTokenTtlSeconds ?? 30,
    accessTokenFormat: (options.jwtAccessTokens ?? true) ? 'jwt' : 'opaque',
    rotateRefreshTokens: options.rotation ?? true,
  }
  const choose = (params: Record<string, unknown>) =>
    options.defaultUser === 'ask' && params.login_hint === undefined
      ? undefined
      : chooseUser(users, params.login_hint, options.defaultUser)
  const createHandler = (jwks: JWKS) =>
    createIdpHandler(
      outer.origin,
      createLogger('silent'),
      { ...settings, jwks },
      choose,
      options.exchange?.register,
    )
  const firstKeys = await createSigningKeys()
  const innerServer = createServer((request, response) => handler(request, response))
  const inner = await listen(innerServer, 0, '127.0.0.1')
  const { serve, ...front } = createFaultFront(inner.origin, options.secrets)
  const outerServer = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy())
  })
  const outer = await listen(outerServer, options.port ?? 0, '127.0.0.1')
  let handler = createHandler(firstKeys)
  return {
    ...front,
    issuer: outer.origin,
    clientId,
    clientSecret,
    revokeUser: storage.revokeUser,
    rotateKeys: async () => {
      handler = createHandler(await createSigningKeys())
    },
    goDown: outer.close,
    comeBack: async () => void (await listen(outerServer, outer.port, '127.0.0.1')),
    close: async () => void (await Promise.all([outer.close(), inner.close()])),
  }
}

function chooseUser(
  users: readonly DevUser[],
  hint: unknown,
  fallback: string | undefined,
): string | undefined {
  const hinted = users.find(user => user.subject === hint || user.email === hint)
  return hinted?.subject ?? fallback ?? users[0]?.subject
}

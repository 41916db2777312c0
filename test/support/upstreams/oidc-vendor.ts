import { createServer, request as openRequest } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { JWK } from 'jose'
import { type Configuration, type JWKS, Provider } from 'oidc-provider'
import {
  createIdpConfiguration,
  createSigningKeys,
  type IdpSettings,
} from '../../../src/dev/idp-configuration.ts'
import { createIdpStorage, type IdpStorage } from '../../../src/dev/idp-storage.ts'
import { listen } from '../../../src/dev/listen.ts'
import { createSignIn, isSignIn, signInPath } from '../../../src/dev/sign-in.ts'
import { SAMPLE_USERS } from '../../../src/dev/users.ts'
import { createSecret } from '../../../src/domain/secret.ts'
import {
  startVendorServer,
  type VendorAnswer,
  type VendorRequest,
  type VendorServer,
} from './vendor-server.ts'

/** How a vendor's OpenID provider differs from a plain one. */
export type VendorProfile = {
  /** What comes after the origin in its issuer. */
  path: string
  rotation: boolean
  jwtAccessTokens: boolean
  /** Changes the provider's configuration. */
  adjust?(configuration: Configuration, storage: IdpStorage): Configuration
  /** Adds to the provider before it serves. */
  extend?(provider: Provider): void
  /** Refuses a request before the provider sees it. */
  check?(request: VendorRequest): VendorAnswer | undefined
  /** What the provider sees instead. */
  prepare?(request: VendorRequest): VendorRequest
  /** Changes a JSON answer. */
  change?(answer: Fields, request: VendorRequest, keys: JWKS): Fields | Promise<Fields>
}

export type Fields = Record<string, unknown>

export type OidcVendor = VendorServer & {
  issuer: string
  clientId: string
  clientSecret: string
  /** Ends the user's sessions and grants. */
  revokeUser(subject: string): void
  /** Signs with a new key from now on, and publishes no other. */
  rotateKeys(): Promise<void>
}

export type OidcVendorOptions = {
  redirectUri: string
  /** Public keys of a client that has no secret. */
  clientKeys?: readonly JWK[]
}

/** A real OpenID provider that signs everybody in by itself, with a vendor's peculiarities. The first sample user signs in where `login_hint` names nobody. */
export async function startOidcVendor(
  profile: VendorProfile,
  { redirectUri, clientKeys }: OidcVendorOptions,
): Promise<OidcVendor> {
  const clientId = 'gateway'
  const clientSecret = createSecret()
  const storage = createIdpStorage()
  let keys = await createSigningKeys()
  const settings: Omit<IdpSettings, 'jwks'> = {
    client: { id: clientId, secret: clientSecret, redirectUris: [redirectUri] },
    users: SAMPLE_USERS,
    storage,
    cookieKey: createSecret(),
    accessTokenTtlSeconds: 300,
    accessTokenFormat: profile.jwtAccessTokens ? 'jwt' : 'opaque',
    rotateRefreshTokens: profile.rotation,
    signInPath,
    renderError: (ctx, out) => {
      ctx.body = out
    },
  }
  const createHandler = () => {
    const configuration = createIdpConfiguration({ ...settings, jwks: keys })
    const adjusted = profile.adjust?.(configuration, storage) ?? configuration
    return createProviderHandler(
      server.origin + profile.path,
      clientKeys ? withClientKeys(adjusted, clientKeys) : adjusted,
      profile.extend,
    )
  }

  const inner = createServer((request, response) => {
    const prefix = profile.path.replace(/\/$/, '')
    const url = request.url ?? '/'
    if (prefix !== '' && url.startsWith(prefix)) {
      Object.assign(request, { originalUrl: url, url: url.slice(prefix.length) })
    }
    handler(request, response)
  })
  const { origin: innerOrigin, close: closeInner } = await listen(inner, 0, '127.0.0.1')
  const server = await startVendorServer([], async request => {
    const refused = profile.check?.(request)
    if (refused) return refused
    const prepared = profile.prepare?.(request) ?? request
    return changed(await ask(innerOrigin, prepared), request)
  })
  let handler = createHandler()

  const changed = async (answer: RawAnswer, request: VendorRequest): Promise<VendorAnswer> => {
    const isJson = String(answer.headers['content-type']).includes('application/json')
    if (!profile.change || !isJson) return answer
    const json = await profile.change(JSON.parse(answer.body.toString()), request, keys)
    return { status: answer.status, json }
  }
  return {
    ...server,
    issuer: server.origin + profile.path,
    clientId,
    clientSecret,
    revokeUser: storage.revokeUser,
    rotateKeys: async () => {
      keys = await createSigningKeys()
      handler = createHandler()
    },
    close: async () => void (await Promise.all([server.close(), closeInner()])),
  }
}

function createProviderHandler(
  issuer: string,
  configuration: Configuration,
  extend?: (provider: Provider) => void,
) {
  const provider = new Provider(issuer, configuration)
  extend?.(provider)
  const serve = provider.callback()
  const serveSignIn = createSignIn(provider, SAMPLE_USERS, ({ login_hint: hint }) => {
    const hinted = SAMPLE_USERS.find(({ subject, email }) => hint === subject || hint === email)
    return (hinted ?? SAMPLE_USERS[0])?.subject
  })
  return ((request, response) => {
    const handle = isSignIn(request) ? serveSignIn : serve
    Promise.resolve(handle(request, response)).catch(() => response.destroy())
  }) satisfies Parameters<typeof createServer>[1]
}

function withClientKeys(configuration: Configuration, keys: readonly JWK[]): Configuration {
  const clients = configuration.clients?.map(({ client_secret: _none, ...client }) => ({
    ...client,
    token_endpoint_auth_method: 'private_key_jwt' as const,
    jwks: { keys: [...keys] as JWKS['keys'] },
  }))
  return { ...configuration, clients: clients ?? [], clientAuthMethods: ['private_key_jwt'] }
}

type RawAnswer = { status: number; body: Buffer; headers: Record<string, string | string[]> }

async function ask(origin: string, request: VendorRequest): Promise<RawAnswer> {
  const url = new URL(request.path, origin)
  url.search = new URLSearchParams(request.query).toString()
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>()
  const { connection: _hop, 'content-length': _length, ...headers } = request.headers
  const outgoing = openRequest(url, { method: request.method, headers, agent: false })
  outgoing.on('error', reject)
  outgoing.on('response', incoming => {
    const { 'transfer-encoding': _encoding, connection: _close, ...fields } = incoming.headers
    const kept = Object.entries(fields).filter(([name]) => name !== 'content-length')
    buffer(incoming).then(
      body =>
        resolve({
          status: incoming.statusCode ?? 0,
          body,
          headers: Object.fromEntries(kept) as RawAnswer['headers'],
        }),
      reject,
    )
  })
  outgoing.end(request.body)
  return promise
}

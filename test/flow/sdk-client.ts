import {
  Client as ModernClient,
  type OAuthClientProvider as ModernProvider,
  StreamableHTTPClientTransport as ModernTransport,
  UnauthorizedError as ModernUnauthorized,
  type VersionNegotiationOptions,
} from '@modelcontextprotocol/client'
import {
  type OAuthClientProvider as LegacyProvider,
  UnauthorizedError as LegacyUnauthorized,
} from '@modelcontextprotocol/sdk/client/auth.js'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { createSecret } from '../../src/domain/secret.ts'
import { type CallOptions, firstText, type TestClient } from '../support/mcp-clients.ts'
import type { Landscape } from './landscape.ts'
import { openBrowser, REDIRECT_URI } from './oauth-client.ts'

/** What an SDK keeps of its user's login. */
export type SavedLogin = {
  tokens?: { access_token: string; refresh_token?: string; expires_in?: number }
  client?: { client_id: string }
  /** How often a person was sent to the browser. */
  logins: number
  /** Every access token that it was ever given. */
  accessTokens: string[]
}

/** An SDK with its own OAuth code. `connect` signs in where the SDK finds that it must. */
export type SdkClient = {
  login: SavedLogin
  connect(): Promise<TestClient>
  /** Redeems the code with which the browser last came back: what a host does when the SDK has asked for a login in the midst of a call. */
  finish(): Promise<void>
}

const IDENTITY = { name: 'sdk-client', version: '1.0.0' }

/** The v1 SDK, which speaks 2025-11-25. @param forgets whether its host keeps no refresh token */
export function createLegacySdk(
  landscape: Pick<Landscape, 'secrets'>,
  url: string,
  forgets = false,
): SdkClient {
  const { login, provider, callback } = createProvider(landscape, forgets)
  const authProvider = provider as LegacyProvider
  const connect = async () => {
    const transport = new LegacyTransport(new URL(url), { authProvider })
    const client = new LegacyClient(IDENTITY)
    // The v1 SDK's own class does not match its own interface under exactOptionalPropertyTypes.
    await client.connect(transport as Transport)
    return {
      toolNames: async () => (await client.listTools()).tools.map(({ name }) => name),
      call: async (name: string, args = {}, options?: CallOptions) =>
        firstText(await client.callTool({ name, arguments: args }, undefined, options)),
      close: () => client.close(),
    }
  }
  const finish = async () => {
    const transport = new LegacyTransport(new URL(url), { authProvider })
    await transport.finishAuth(callback().get('code')!)
  }
  return { login, connect: signingIn(connect, finish, LegacyUnauthorized), finish }
}

/** The v2 SDK. @param versionNegotiation which eras it offers */
export function createModernSdk(
  landscape: Pick<Landscape, 'secrets'>,
  url: string,
  versionNegotiation: VersionNegotiationOptions,
): SdkClient {
  const { login, provider, callback } = createProvider(landscape)
  const options = { authProvider: provider as ModernProvider }
  const connect = async () => {
    const client = new ModernClient(IDENTITY, { versionNegotiation })
    await client.connect(new ModernTransport(new URL(url), options))
    return {
      toolNames: async () => (await client.listTools()).tools.map(({ name }) => name),
      call: async (name: string, args = {}, callOptions?: CallOptions) =>
        firstText(await client.callTool({ name, arguments: args }, callOptions)),
      close: () => client.close(),
    }
  }
  const finish = () => new ModernTransport(new URL(url), options).finishAuth(callback())
  return { login, connect: signingIn(connect, finish, ModernUnauthorized), finish }
}

function signingIn(
  connect: () => Promise<TestClient>,
  finish: () => Promise<void>,
  Unauthorized: new () => Error,
): () => Promise<TestClient> {
  return async () => {
    try {
      return await connect()
    } catch (error) {
      if (!(error instanceof Unauthorized)) throw error
      await finish()
      return connect()
    }
  }
}

/** The host's half of an SDK's OAuth code: keeps what it is told to, and walks the browser through consent. */
function createProvider(landscape: Pick<Landscape, 'secrets'>, forgets = false) {
  const login: SavedLogin = { logins: 0, accessTokens: [] }
  const browser = openBrowser(landscape)
  let codeVerifier = ''
  let state = ''
  let callback = new URLSearchParams()
  let discovered: object | undefined
  const provider = {
    redirectUrl: REDIRECT_URI,
    clientMetadata: {
      client_name: 'An SDK client',
      redirect_uris: [REDIRECT_URI],
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token'],
    },
    state: () => {
      state = createSecret()
      return state
    },
    clientInformation: () => login.client,
    saveClientInformation: (client: { client_id: string }) => {
      login.client = client
    },
    tokens: () => login.tokens,
    saveTokens: ({ refresh_token, ...tokens }: NonNullable<SavedLogin['tokens']>) => {
      const isKept = refresh_token !== undefined && !forgets
      login.tokens = { ...tokens, ...(isKept && { refresh_token }) }
      login.accessTokens.push(tokens.access_token)
    },
    saveCodeVerifier: (verifier: string) => {
      codeVerifier = verifier
    },
    codeVerifier: () => codeVerifier,
    saveDiscoveryState: (state: object) => {
      discovered = state
    },
    discoveryState: () => discovered,
    redirectToAuthorization: async (url: URL) => {
      login.logins += 1
      const first = await browser.open(url.href)
      // An authorization server that asks nobody has sent the browser back already.
      const page = first.isStop ? first : await browser.submit(first, { button: 'approve' })
      callback = new URL(page.url).searchParams
      if (!page.isStop || callback.get('state') !== state) {
        throw new Error(`the browser ended at ${page.url}`)
      }
    },
  }
  return { login, provider, callback: () => callback }
}

import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http'
import { Provider } from 'oidc-provider'
import { createSecret } from '../domain/secret.ts'
import type { Logger } from '../observability/log.ts'
import {
  createIdpConfiguration,
  createSigningKeys,
  type IdpClient,
  type IdpSettings,
} from './idp-configuration.ts'
import { createIdpStorage } from './idp-storage.ts'
import { listen } from './listen.ts'
import { createSignIn, isSignIn, sendPage, signInPath } from './sign-in.ts'
import { renderProblem, renderWelcome } from './sign-in-page.ts'
import { type DevUser, SAMPLE_USERS } from './users.ts'

export type DevIdpOptions = {
  /** 0 for any free one. */
  port: number
  /** Address to bind. Default 127.0.0.1. */
  host?: string
  /** How browsers and the gateway reach it, where that is not the address that it listens on. */
  issuer?: string
  /** The gateway, with every callback URL that it may come with. */
  client: IdpClient
  logger: Logger
  /** Default: the three sample users. */
  users?: readonly DevUser[]
}

type Serve = (request: IncomingMessage, response: ServerResponse) => Promise<void>

export type DevIdp = { issuer: string; close(): Promise<void> }

const ACCESS_TOKEN_TTL_SECONDS = 300

/**
 * Starts the development IdP: an OpenID provider without passwords, for one confidential client. Keys, users' sessions and tokens live in this process and are gone with
 * it.
 *
 * @throws the socket's error where the port cannot be bound
 */
export async function startDevIdp(options: DevIdpOptions): Promise<DevIdp> {
  const { logger, client, users = SAMPLE_USERS } = options
  const jwks = await createSigningKeys()
  const server = createServer()
  const { origin, close } = await listen(server, options.port, options.host ?? '127.0.0.1')
  const issuer = options.issuer ?? origin
  const handler = createIdpHandler(issuer, logger, {
    client,
    users,
    jwks,
    storage: createIdpStorage(),
    cookieKey: createSecret(),
    accessTokenTtlSeconds: ACCESS_TOKEN_TTL_SECONDS,
    accessTokenFormat: 'jwt',
    rotateRefreshTokens: true,
  })
  server.on('request', handler)
  return { issuer, close }
}

/**
 * An embedded IdP as a handler of requests.
 *
 * @param choose names the user where no sign-in page is to be shown
 * @param extend adds to the provider before it serves
 */
export function createIdpHandler(
  issuer: string,
  logger: Logger,
  settings: Omit<IdpSettings, 'renderError' | 'signInPath'>,
  choose?: (params: Record<string, unknown>) => string | undefined,
  extend: (provider: Provider) => void = () => undefined,
): RequestListener {
  const configuration = createIdpConfiguration({ ...settings, renderError, signInPath })
  const provider = new Provider(issuer, configuration)
  extend(provider)
  const report = (error: unknown) => logger.error({ err: error }, 'development IdP failed')
  provider.onerror = report
  provider.on('server_error', (_ctx, error) => report(error))
  const serveSignIn = createSignIn(provider, settings.users, choose)
  const serveProtocol = provider.callback()
  const chooseServer = (request: IncomingMessage): Serve => {
    if (request.url === '/') return serveWelcome
    return isSignIn(request) ? serveSignIn : serveProtocol
  }
  return (request, response) => {
    impliesConsent(request)
    const serve = chooseServer(request)
    Promise.resolve(serve(request, response)).catch(async error => {
      report(error)
      const page = await renderProblem('server_error', 'Something went wrong.')
      if (response.headersSent) response.destroy()
      else sendPage(response, 500, page)
    })
  }
}

/** The banner names the IdP's address, so people open it. */
const serveWelcome: Serve = async (_request, response) =>
  sendPage(response, 200, await renderWelcome())

/**
 * Adds the prompt without which oidc-provider drops `offline_access`. It keeps to the letter of OpenID Connect there; the IdPs that this one stands for do not.
 *
 * @see OpenID Connect Core 1.0 section 11
 */
function impliesConsent(request: IncomingMessage): void {
  const url = new URL(request.url ?? '/', 'http://idp.invalid')
  const scope = url.searchParams.get('scope')?.split(' ') ?? []
  const prompt = url.searchParams.get('prompt')?.split(' ').filter(Boolean) ?? []
  if (url.pathname !== '/auth' || !scope.includes('offline_access')) return
  if (prompt.includes('none') || prompt.includes('consent')) return
  url.searchParams.set('prompt', [...prompt, 'consent'].join(' '))
  request.url = url.pathname + url.search
}

const renderError: IdpSettings['renderError'] = async (ctx, out) => {
  const page = await renderProblem(out.error, out.error_description ?? '')
  ctx.type = 'html'
  ctx.set('content-security-policy', page.contentSecurityPolicy)
  ctx.body = page.body
}

import { type Context, type Handler, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { cors } from 'hono/cors'
import { OAuthError } from '../domain/oauth-error.ts'
import { renderHome } from '../http/pages/home.ts'
import { createRegistrationEndpoint } from './clients/registration.ts'
import type { AuthorizationServer } from './context.ts'
import { correlate } from './correlation.ts'
import { createAuthorizeEndpoint } from './login/authorize.ts'
import { createCallbackEndpoint } from './login/callback.ts'
import { createConsentEndpoint } from './login/consent.ts'
import { describeAuthorizationServer } from './metadata.ts'
import { renderFault, renderJsonError, renderPageResponse, renderThrownPage } from './responses.ts'
import type { GrantEnding } from './tokens/grant-ending.ts'
import { createIntrospectionEndpoint, findIntrospectors } from './tokens/introspection.ts'
import { createRevocationEndpoint } from './tokens/revocation.ts'
import { createTokenEndpoint } from './tokens/token.ts'
import { createRouteCheck, traceRequests } from './traced-requests.ts'

/** Every message to an endpoint is small; a metadata document of a client is the longest. */
const MAX_BODY_BYTES = 64 * 1024

/** How a failure of an endpoint is shown: to a program or to a person. */
type Rendering = (server: AuthorizationServer, c: Context, thrown: unknown) => Response

/** The endpoints of the authorization server. */
export function createAuthorizationServerApp(
  server: AuthorizationServer,
  ending: GrantEnding,
): Hono {
  const app = new Hono()
  app.use(correlate())
  if (server.tracing) app.use(traceRequests(server.tracing, createRouteCheck(app)))
  const route = createRouter(app, server)

  route(['GET', 'POST'], '/authorize', renderThrownPage, createAuthorizeEndpoint(server))
  route(['POST'], '/consent', renderThrownPage, createConsentEndpoint(server))
  route(['GET'], '/callback', renderThrownPage, createCallbackEndpoint(server, ending))
  route(['POST'], '/token', renderJsonError, createTokenEndpoint(server, ending))
  route(['POST'], '/register', renderJsonError, createRegistrationEndpoint(server))
  route(['POST'], '/revoke', renderJsonError, createRevocationEndpoint(server, ending))
  if (findIntrospectors(server).length > 0)
    route(['POST'], '/introspect', renderJsonError, createIntrospectionEndpoint(server))
  route(['GET'], '/.well-known/oauth-authorization-server', renderJsonError, c => {
    c.header('Cache-Control', 'public, max-age=300')
    return c.json(describeAuthorizationServer(server))
  })
  addCommonRoutes(app, route, server)
  return app
}

/** What is there whoever issues the tokens. */
export function addCommonRoutes(
  app: Hono,
  route: ReturnType<typeof createRouter>,
  server: AuthorizationServer,
): void {
  const { assertionKeys } = server
  if (assertionKeys) {
    route(['GET'], '/jwks', renderJsonError, c => {
      c.header('Cache-Control', 'public, max-age=300')
      return c.json({ keys: assertionKeys })
    })
  }
  route(['GET'], '/', renderThrownPage, c => renderPageResponse(c, home(server)))

  app.notFound(c => notFound(server, c))
  app.onError((thrown, c) => renderJsonError(server, c, thrown))
}

/** Binds an endpoint to its path: its methods and no others, a bound on its body, its failures rendered in its way, open to browsers where programs call it. */
export function createRouter(app: Hono, server: AuthorizationServer) {
  return function route(
    methods: string[],
    path: string,
    rendering: Rendering,
    endpoint: Handler,
  ): void {
    const tooLarge = (c: Context) =>
      rendering(
        server,
        c,
        new OAuthError('invalid_request', 'the body is too large', { status: 413 }),
      )
    if (rendering === renderJsonError)
      app.use(path, cors({ origin: '*', allowMethods: methods, maxAge: 600 }))
    app.on(
      methods,
      path,
      bodyLimit({ maxSize: MAX_BODY_BYTES, onError: tooLarge }),
      async (c, next) => {
        try {
          await server.limitEndpoint?.(c)
          return await endpoint(c, next)
        } catch (thrown) {
          return rendering(server, c, thrown)
        }
      },
    )
    app.all(path, c => {
      c.header('Allow', methods.join(', '))
      return rendering(
        server,
        c,
        new OAuthError('invalid_request', 'the method is not allowed', { status: 405 }),
      )
    })
  }
}

function home({ issuer, resources }: AuthorizationServer) {
  return renderHome({
    publicUrl: issuer,
    endpoints: resources.map(({ name, resource }) => ({ name, url: resource })),
  })
}

/** JSON for programs, above all for clients that probe well-known paths: HTML there ends their discovery. */
function notFound(server: AuthorizationServer, c: Context): Response {
  const wantsPage =
    c.req.header('accept')?.includes('text/html') && !c.req.path.startsWith('/.well-known/')
  if (wantsPage) return renderFault(server, c, 'not-found', { reason: 'no such path' })
  // A client in a browser must be able to read that there is nothing, to look elsewhere.
  c.header('Access-Control-Allow-Origin', '*')
  return c.json({ error: 'not_found', error_description: 'there is nothing at this path' }, 404)
}

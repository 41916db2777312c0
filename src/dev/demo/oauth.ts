/** A client's side of OAuth with nothing but `fetch`, so that every message can be seen. */
import * as z from 'zod'
import type { Report } from './report.ts'

const REQUEST_TIMEOUT_MS = 10_000

const protectedResource = z.object({
  resource: z.string(),
  authorization_servers: z.tuple([z.string()], z.string()),
  scopes_supported: z.array(z.string()).optional(),
})

const authorizationServer = z.object({
  issuer: z.string(),
  authorization_endpoint: z.string(),
  token_endpoint: z.string(),
  registration_endpoint: z.string(),
  revocation_endpoint: z.string(),
})

const tokens = z.object({
  access_token: z.string(),
  refresh_token: z.string(),
  expires_in: z.number(),
  scope: z.string(),
})

export type Discovery = {
  resource: string
  scope: string
  server: z.infer<typeof authorizationServer>
}

export type Tokens = z.infer<typeof tokens>

/** From a call without a token to the two metadata documents. @see RFC 9728 section 5, RFC 8414 section 3 */
export async function discover(report: Report, mcpUrl: string): Promise<Discovery> {
  const refused = await ask(report, 401, mcpUrl, { method: 'POST' })
  const challenge = refused.headers.get('www-authenticate') ?? ''
  const metadataUrl = /resource_metadata="([^"]+)"/.exec(challenge)?.[1]
  if (metadataUrl === undefined) throw new Error(`no resource_metadata in: ${challenge}`)
  report.fact('its challenge', challenge)
  const resource = protectedResource.parse(await (await ask(report, 200, metadataUrl)).json())
  const [issuer] = resource.authorization_servers
  report.fact('the resource', resource.resource)
  report.fact('its authorization server', issuer)
  const serverUrl = `${issuer}/.well-known/oauth-authorization-server`
  const server = authorizationServer.parse(await (await ask(report, 200, serverUrl)).json())
  if (server.issuer !== issuer) throw new Error(`the issuer calls itself ${server.issuer}`)
  return { resource: resource.resource, scope: resource.scopes_supported?.join(' ') ?? '', server }
}

/** @returns the client's id. @see RFC 7591 section 3 */
export async function register(
  report: Report,
  { server }: Discovery,
  redirectUri: string,
): Promise<string> {
  const response = await ask(report, 201, server.registration_endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'Demo in the terminal',
      redirect_uris: [redirectUri],
      token_endpoint_auth_method: 'none',
    }),
  })
  return z.object({ client_id: z.string() }).parse(await response.json()).client_id
}

/** A token request that is expected to succeed. @see RFC 6749 section 3.2 */
export async function requestTokens(
  report: Report,
  { server }: Discovery,
  form: Record<string, string>,
): Promise<Tokens> {
  const response = await ask(report, 200, server.token_endpoint, post(form))
  return tokens.parse(await response.json())
}

/** A token request that is expected to be refused. @returns the error. @see RFC 6749 section 5.2 */
export async function requestRefusal(
  report: Report,
  { server }: Discovery,
  form: Record<string, string>,
): Promise<string> {
  const response = await ask(report, 400, server.token_endpoint, post(form))
  return z.object({ error: z.string() }).parse(await response.json()).error
}

/** @see RFC 7009 section 2 */
export async function revoke(
  report: Report,
  { server }: Discovery,
  form: Record<string, string>,
): Promise<void> {
  await ask(report, 200, server.revocation_endpoint, post(form))
}

/** Asks, says what was asked and answered, and insists on the status. */
export async function ask(
  report: Report,
  expectedStatus: number,
  url: string,
  init: RequestInit = {},
): Promise<Response> {
  const signal = AbortSignal.timeout(REQUEST_TIMEOUT_MS)
  const response = await fetch(url, { ...init, signal })
  const what = `${init.method ?? 'GET'} ${new URL(url).pathname}`
  report.exchange(what, response.status)
  if (response.status === expectedStatus) return response
  throw new Error(`${what} was answered with ${response.status}: ${await response.text()}`)
}

function post(form: Record<string, string>): RequestInit {
  return { method: 'POST', body: new URLSearchParams(form) }
}

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { exportJWK, generateKeyPair, type JWTHeaderParameters, SignJWT } from 'jose'
import { listen } from '../../src/dev/listen.ts'

/** What came to the token endpoint; `nonce` is that of the login whose code it is. */
export type TokenRequest = { form: URLSearchParams; nonce: string }

/** An answer of the token endpoint: the fields of a 200, or a whole response. */
export type TokenAnswer = Record<string, unknown> | Response

export type ScriptedIdp = {
  issuer: string
  clientId: string
  clientSecret: string
  /** Every request to the token endpoint. */
  tokenRequests: TokenRequest[]
  /** The next browser comes back with these parameters besides, or instead of, `code` and `state`; `undefined` takes one away. */
  answerCallback(parameters: Record<string, string | undefined>): void
  /** What the token endpoint answers from now on. */
  answerToken(answer: (request: TokenRequest) => TokenAnswer | Promise<TokenAnswer>): void
  /** An ID token that is right but for what is changed. */
  signIdToken(
    request: TokenRequest,
    claims?: Record<string, unknown>,
    header?: Partial<JWTHeaderParameters>,
  ): Promise<string>
  close(): Promise<void>
}

/**
 * An IdP that does as it is told, for answers that a real one does not give: forged ID tokens, tokens without their usual fields, errors in the redirect. It checks nothing.
 *
 * @param metadata added to its metadata; `undefined` takes a field away
 */
export async function startScriptedIdp(
  metadata: Record<string, unknown> = {},
): Promise<ScriptedIdp> {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const jwks = {
    keys: [{ ...(await exportJWK(publicKey)), kid: 'key-1', use: 'sig', alg: 'ES256' }],
  }
  const tokenRequests: TokenRequest[] = []
  const nonces = new Map<string, string>()
  const server = createServer((request, response) => {
    serve(request, response).catch(() => response.destroy())
  })
  const { origin, close } = await listen(server, 0, '127.0.0.1')
  let callback: Record<string, string | undefined> = {}

  const signIdToken: ScriptedIdp['signIdToken'] = ({ nonce }, claims = {}, header = {}) => {
    const now = Math.floor(Date.now() / 1000)
    const payload = { iss: origin, aud: 'gateway', sub: 'alice', iat: now, exp: now + 300, nonce }
    return new SignJWT({ ...payload, ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'key-1', ...header })
      .sign(privateKey)
  }
  let token = async (request: TokenRequest): Promise<TokenAnswer> => ({
    ...SCRIPTED_TOKENS,
    id_token: await signIdToken(request),
  })

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', origin)
    if (url.pathname === '/authorize') return redirect(url.searchParams, response)
    if (url.pathname === '/jwks') return sendJson(response, jwks)
    if (url.pathname === '/token') return answerTokenRequest(await text(request), response)
    if (url.pathname !== '/.well-known/openid-configuration')
      return void response.writeHead(404).end()
    sendJson(response, {
      issuer: origin,
      authorization_endpoint: `${origin}/authorize`,
      token_endpoint: `${origin}/token`,
      jwks_uri: `${origin}/jwks`,
      response_types_supported: ['code'],
      id_token_signing_alg_values_supported: ['ES256'],
      ...metadata,
    })
  }

  function redirect(query: URLSearchParams, response: ServerResponse): void {
    const code = crypto.randomUUID()
    nonces.set(code, query.get('nonce') ?? '')
    const to = new URL(query.get('redirect_uri') ?? '')
    const parameters = { code, state: query.get('state') ?? '', ...callback }
    for (const [name, value] of Object.entries(parameters)) {
      if (value !== undefined) to.searchParams.set(name, value)
    }
    response.writeHead(303, { location: to.href }).end()
  }

  async function answerTokenRequest(body: string, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(body)
    const request = { form, nonce: nonces.get(form.get('code') ?? '') ?? '' }
    tokenRequests.push(request)
    const answer = await token(request)
    if (!(answer instanceof Response)) return sendJson(response, answer)
    response.writeHead(answer.status, Object.fromEntries(answer.headers))
    response.end(await answer.text())
  }

  return {
    issuer: origin,
    clientId: 'gateway',
    clientSecret: 'a-client-secret-that-the-scripted-idp-does-not-check',
    tokenRequests,
    signIdToken,
    close,
    answerCallback: parameters => {
      callback = parameters
    },
    answerToken: answer => {
      token = async request => answer(request)
    },
  }
}

/** What the token endpoint gives besides the ID token, unless it is told otherwise. */
export const SCRIPTED_TOKENS = {
  access_token: 'upstream-access-token',
  refresh_token: 'upstream-refresh-token',
  token_type: 'Bearer',
  expires_in: 300,
} as const

function sendJson(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

import { z } from 'zod'
import { flag, milliseconds, parsed, port, secret, text } from '../fields.ts'
import { distinct, itself, renamed } from '../shapes.ts'
import { parseIssuer } from '../urls.ts'
import { scopeToken } from './scope.ts'

/** What the gateway says itself in its requests to the IdP; a configured parameter must not overrule it. */
const OWN_PARAMETERS = new Set([
  'client_assertion',
  'client_assertion_type',
  'client_id',
  'client_secret',
  'code',
  'code_challenge',
  'code_challenge_method',
  'code_verifier',
  'grant_type',
  'nonce',
  'redirect_uri',
  'refresh_token',
  'request',
  'request_uri',
  'response_mode',
  'response_type',
  'scope',
  'state',
])

const TIMEOUT = milliseconds('100ms', '60s')
  .prefault('10s')
  .describe('Deadline of one request to the IdP.')

const oidc = renamed(
  z.strictObject({
    provider: z
      .literal('oidc')
      .describe('Any OpenID Connect provider that publishes its metadata.'),
    issuer: parsed('issuer', parseIssuer).describe(
      'The issuer, byte for byte as in its metadata; https unless loopback.',
    ),
    clientId: text().describe('The client that the gateway is at the IdP.'),
    clientSecret: secret().describe('Its secret.'),
    scopes: z
      .array(scopeToken())
      .check(distinct(itself, 'is listed twice'))
      .refine(scopes => scopes.includes('openid'), {
        error: 'must contain openid: without an ID token the user is unknown',
        when: ({ value }) => Array.isArray(value),
      })
      .prefault(['openid', 'profile', 'email', 'offline_access'])
      .describe(
        'Scopes that every login asks for. Most IdPs give a refresh token for `offline_access` only.',
      ),
    authorizeParams: parameters('Further parameters of the authorization request.'),
    codeParams: parameters('Further parameters of the token request that redeems a code.'),
    refreshParams: parameters(
      'Further parameters of the token request that redeems a refresh token.',
    ),
    tokenAuthMethod: z
      .enum(['client_secret_post', 'client_secret_basic'])
      .default('client_secret_post')
      .describe('How the client secret is sent.'),
    refreshScope: z
      .enum(['granted', 'requested', 'none'])
      .default('requested')
      .describe('Which `scope` a refresh sends: what was granted, what was requested, or none.'),
    issParam: z
      .enum(['require', 'verify', 'ignore'])
      .default('verify')
      .describe(
        'The `iss` parameter of the callback (RFC 9207): required, verified where present, or ignored.',
      ),
    repeatsRefresh: flag()
      .prefault(false)
      .describe(
        'Whether the IdP forgives a refresh token that is sent twice, as after a lost response.',
      ),
    timeout: TIMEOUT,
  }),
  { timeout: 'timeoutMs' },
)

const dev = z.strictObject({
  provider: z
    .literal('dev')
    .describe(
      'An IdP inside the gateway, for development. Refused in production and on a public URL.',
    ),
  port: port().prefault(9091).describe('Loopback port of that IdP.'),
  sampleBackends: flag()
    .prefault(false)
    .describe('Also start a sample MCP server on each loopback port that `backends` names.'),
})

/** Every member resolves to what the upstream room takes; a new IdP is a new member. */
export const upstream = z
  .discriminatedUnion('provider', [oidc, dev])
  .describe('The identity provider that signs people in.')

function parameters(description: string) {
  return z
    .record(z.string(), z.string())
    .check(
      z.superRefine<Record<string, unknown>>((map, context) => {
        for (const key of Object.keys(map).filter(key => OWN_PARAMETERS.has(key))) {
          context.addIssue({ code: 'custom', message: 'is set by the gateway itself', path: [key] })
        }
      }),
    )
    .prefault({})
    .describe(description)
}

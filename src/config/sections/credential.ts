/** What a backend gets as its `Authorization`. */
import { z } from 'zod'
import type { BackendCredential } from '../../upstream/credential.ts'
import { parsed, seconds, text } from '../fields.ts'
import { Malformed } from '../malformed.ts'
import { distinct, itself, onSection, renamed, resolved, wordOrMap } from '../shapes.ts'
import { scopeToken } from './scope.ts'

const scope = z.array(scopeToken()).check(distinct(itself, 'is listed twice'))

const KINDS = ['refresh', 'onBehalfOf', 'exchange', 'assertion'] as const

const refresh = z.strictObject({
  scope: scope.min(1).describe('Scopes of the backend, as the upstream calls them.'),
  params: z
    .record(z.string(), z.string())
    .prefault({})
    .describe('Further parameters of that refresh, such as an `audience`.'),
})

const onBehalfOf = z.strictObject({
  scope: scope.min(1).describe('Scopes of the backend, such as `api://crm/.default`.'),
})

const exchange = z
  .strictObject({
    audience: text().exactOptional().describe('What the upstream calls the backend.'),
    resource: parsed('URI', parseUri).exactOptional().describe('URI of the backend.'),
    scope: scope.prefault([]).describe('Scopes of the backend; none leaves them to the upstream.'),
    requestedTokenType: parsed('URI', parseUri)
      .exactOptional()
      .describe('Kind of the token, where the upstream needs to be told.'),
  })
  .check(z.superRefine(checkNamed, onSection))

const assertion = renamed(
  z.strictObject({
    audience: text().describe('What the backend calls itself: the `aud` that it looks for.'),
    ttl: seconds('10s', '5m').prefault('2m').describe('How long one is good.'),
  }),
  { ttl: 'ttlSeconds' },
)

const word = z.enum(['upstream', 'none'], {
  error:
    'expected upstream, none, or a section with one of refresh, onBehalfOf, exchange and assertion',
})

const section = z
  .strictObject({
    refresh: refresh
      .exactOptional()
      .describe('A token for another scope, from the same refresh token.'),
    onBehalfOf: onBehalfOf.exactOptional().describe("A token that Entra ID gives for the login's."),
    exchange: exchange
      .exactOptional()
      .describe("A token that the upstream exchanges the login's for (RFC 8693)."),
    assertion: assertion
      .exactOptional()
      .describe('A JWT that the gateway signs; its keys are at `/jwks`.'),
  })
  .check(z.superRefine(checkOne, onSection))

/** @see BackendCredential */
export const credential = resolved(
  wordOrMap(word, section),
  (written): BackendCredential => {
    if (typeof written === 'string') return { kind: written }
    const { refresh, onBehalfOf, exchange, assertion } = written
    if (refresh) return { kind: 'refresh', ...refresh }
    if (onBehalfOf) return { kind: 'onBehalfOf', ...onBehalfOf }
    if (exchange) return { kind: 'exchange', ...exchange }
    // One of them is there: `checkOne`.
    return assertion ? { kind: 'assertion', ...assertion } : { kind: 'none' }
  },
  ({ kind, ...rest }) =>
    // The keys of a kind are those of its section.
    (kind === 'upstream' || kind === 'none' ? kind : { [kind]: rest }) as 'none',
)
  .prefault('upstream')
  .describe(
    'What the backend gets as `Authorization`: `upstream`, the access token of the login; `none`; or a section that says how another token is come by.',
  )
  .meta({ title: '`upstream`, `none`, or section' })

function checkOne(value: object, context: z.RefinementCtx): void {
  const given = KINDS.filter(kind => kind in value)
  if (given.length === 1) return
  const has = given.length === 0 ? '' : `, and has ${given.join(' and ')}`
  context.addIssue({ code: 'custom', message: `takes one of ${KINDS.join(', ')}${has}` })
}

function checkNamed(value: object, context: z.RefinementCtx): void {
  const namesScope = 'scope' in value && Array.isArray(value.scope) && value.scope.length > 0
  if ('audience' in value || 'resource' in value || namesScope) return
  context.addIssue({ code: 'custom', message: 'needs an audience, a resource or a scope' })
}

function parseUri(input: string): string {
  if (URL.canParse(input) && !input.includes('#')) return input
  throw new Malformed('expected an absolute URI without a fragment')
}

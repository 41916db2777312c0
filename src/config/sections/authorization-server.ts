/** Whose access tokens open the backends, where they are not the gateway's own. */
import { z } from 'zod'
import { parsed, seconds, secret, text } from '../fields.ts'
import { onSection, renamed } from '../shapes.ts'
import { parseIssuer } from '../urls.ts'

export const auth = z
  .enum(['gateway', 'external'])
  .default('gateway')
  .describe(
    "Whose access tokens clients bring: the gateway's own, or, with `external`, those of `authorizationServer`; the gateway then signs nobody in, and issues nothing.",
  )

const introspection = renamed(
  z.strictObject({
    endpoint: parsed('https URL', parseIssuer)
      .exactOptional()
      .describe('Where it is. Default: what its metadata says.'),
    clientId: text().describe('The client that the gateway is there.'),
    clientSecret: secret().describe('The secret of that client.'),
    authMethod: z
      .enum(['client_secret_basic', 'client_secret_post'])
      .default('client_secret_basic')
      .describe('How the secret is sent.'),
    cache: seconds('1s', '5m')
      .prefault('60s')
      .describe('How long an answer is good: the longest that a revoked token still works.'),
  }),
  { cache: 'cacheSeconds' },
).describe('Ask about each token (RFC 7662), instead of verifying signatures: for opaque tokens.')

function claim(name: string, what: string) {
  return text()
    .default(name)
    .describe(`The claim that has ${what}; a path with dots for one within another.`)
}

export const authorizationServer = z
  .strictObject({
    issuer: parsed('issuer', parseIssuer).describe(
      'Its `iss`, exactly. Clients find it in the metadata of each resource.',
    ),
    jwksUri: parsed('https URL', parseIssuer)
      .exactOptional()
      .describe('Where its public keys are. Default: what its metadata says.'),
    introspection: introspection.exactOptional(),
    claims: z
      .strictObject({
        subject: claim('sub', 'who somebody is'),
        email: claim('email', 'the e-mail address'),
        name: claim('name', 'the name'),
        groups: claim('groups', 'the groups'),
        roles: claim('roles', 'the roles'),
      })
      .prefault({}),
  })
  .check(
    z.superRefine<Record<string, unknown>>((value, context) => {
      if (value.jwksUri === undefined || value.introspection === undefined) return
      const message = 'is not used with introspection'
      context.addIssue({ code: 'custom', message, path: ['jwksUri'] })
    }, onSection),
  )
  .describe('With `auth: external`, the authorization server whose access tokens clients bring.')

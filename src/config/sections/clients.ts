import { z } from 'zod'
import { isClientIdUrl } from '../../domain/client-id-url.ts'
import { type PublicKeySet, parsePublicKeys } from '../../domain/public-keys.ts'
import { findRedirectUriFault } from '../../domain/redirect-uri.ts'
import { flag, parsed, text } from '../fields.ts'
import { Malformed } from '../malformed.ts'
import { distinct, ifGiven, itself, onSection } from '../shapes.ts'
import { scopeToken } from './scope.ts'

// Characters that need no encoding in a URL, a form or a Basic header, whose encoding clients disagree on.
const ID = /^[\w.~-]{1,200}$/
const HEX_DIGEST = /^sha256:([0-9a-f]{64})$/i
const BASE64URL_DIGEST = /^sha256:([\w-]{43})$/

const client = z
  .strictObject({
    id: parsed('client id', parseId).describe(
      'Its `client_id`: letters, digits, `-`, `_`, `.` and `~`, or the https URL of its metadata document, which is then not fetched.',
    ),
    name: text().describe('What people see on the consent page.'),
    redirectUris: z
      .array(parsed('redirect URI', parseRedirectUri))
      .check(distinct(itself, 'is listed twice'))
      .prefault([])
      .describe('Where its codes may be sent. Plain http is for loopback, where the port is free.'),
    secretHash: parsed('secret hash', parseSecretHash, renderSecretHash)
      .exactOptional()
      .describe('`sha256:` and the SHA-256 of its secret, hex or base64url.'),
    jwks: jwks()
      .exactOptional()
      .describe(
        'Its public keys, where it authenticates with `private_key_jwt`; as a string, their JSON: `file:app.jwks.json`.',
      ),
    jwksUri: parsed('https URL', parseHttpsUrl)
      .exactOptional()
      .describe('Where its public keys are, instead of `jwks`. Public addresses only.'),
    trusted: flag()
      .prefault(false)
      .describe('Whether its users are not asked for consent. They still sign in.'),
    scopes: z
      .array(scopeToken())
      .check(distinct(itself, 'is listed twice'))
      .exactOptional()
      .describe(
        'What it gets where it asks for no scope, and with `clientCredentials` at most. Default: what the backend gives.',
      ),
    introspection: flag()
      .prefault(false)
      .describe('Whether it may ask `/introspect` about any access token.'),
    clientCredentials: flag()
      .prefault(false)
      .describe('Whether it may get tokens for itself, with nobody signed in.'),
  })
  .check(z.superRefine(checkClient, onSection))

export const clients = z
  .array(client)
  .check(distinct(idOf, 'is the id of another client', ['id']))
  .prefault([])
  .describe('Clients that are known beforehand.')

function checkClient(value: object, context: z.RefinementCtx): void {
  const { redirectUris, trusted, introspection, clientCredentials, ...rest } = value as Partial<
    z.output<typeof client>
  >
  const proofs = ['secretHash', 'jwks', 'jwksUri'].filter(key => key in rest)
  const complain = (key: string, message: string) =>
    context.addIssue({ code: 'custom', message, path: [key] })
  if (proofs.length > 1) complain(proofs[1] ?? '', 'one of secretHash, jwks and jwksUri is enough')
  if (introspection && proofs.length === 0)
    complain(
      'introspection',
      'needs secretHash, jwks or jwksUri: tokens are shown to nobody unknown',
    )
  if (clientCredentials && proofs.length === 0)
    complain('clientCredentials', 'needs secretHash, jwks or jwksUri: anybody could say its id')
  if (!Array.isArray(redirectUris)) return
  if (redirectUris.length === 0 && !introspection && !clientCredentials)
    complain('redirectUris', 'is needed: without one nobody can sign in')
  // Anything on the user's computer can pose as a public client there, and nobody would be asked.
  if (trusted && proofs.length === 0 && !redirectUris.every(uri => /^https:/i.test(uri)))
    complain('trusted', 'needs secretHash, jwks or jwksUri, or https redirectUris only')
}

function jwks() {
  return z
    .codec(z.union([z.record(z.string(), z.unknown()), z.string()]), z.custom<PublicKeySet>(), {
      decode: (written, context) => {
        const keys = parsePublicKeys(typeof written === 'string' ? parseJson(written) : written)
        if (typeof keys !== 'string') return keys
        context.issues.push({ code: 'custom', message: keys, input: written })
        return z.NEVER
      },
      encode: ifGiven((keys: PublicKeySet) => ({ ...keys })),
    })
    .meta({ title: 'JWK Set' })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function parseId(input: string): string {
  if (ID.test(input) || isClientIdUrl(input)) return input
  throw new Malformed(
    'expected letters, digits, dashes, dots, underscores and tildes, or an https URL with a path',
  )
}

function parseRedirectUri(input: string): string {
  const fault = findRedirectUriFault(input)
  if (fault) throw new Malformed(fault)
  return input
}

/** @returns base64url, as `digest` makes it */
function parseSecretHash(input: string): string {
  const hex = HEX_DIGEST.exec(input)?.[1]
  const digest = hex
    ? Buffer.from(hex, 'hex').toString('base64url')
    : BASE64URL_DIGEST.exec(input)?.[1]
  if (digest !== undefined) return digest
  throw new Malformed('expected sha256: and the SHA-256 of the secret, hex or base64url')
}

function renderSecretHash(digest: string): string {
  return `sha256:${digest}`
}

function parseHttpsUrl(input: string): string {
  const url = URL.parse(input)
  if (url?.protocol === 'https:' && url.username === '' && url.password === '' && !url.hash)
    return input
  throw new Malformed('expected an https URL without credentials and fragment')
}

function idOf(item: unknown): string | undefined {
  return typeof item === 'object' && item !== null && 'id' in item ? itself(item.id) : undefined
}

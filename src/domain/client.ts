import type { PublicKeySet } from './public-keys.ts'
import type { Scope } from './scope.ts'

/** How a client proves at `/token` that it is itself. */
export type ClientAuthMethod =
  | 'none'
  | 'client_secret_basic'
  | 'client_secret_post'
  | 'private_key_jwt'

/** Where the public keys of a client are: here, or at a URL of its own. */
export type ClientKeys = { jwks: PublicKeySet } | { jwksUri: string }

/** An MCP client as the authorization server sees it, however it became known. */
export type Client = {
  clientId: string
  /** Shown to people; never trusted for anything else. */
  clientName: string
  redirectUris: readonly string[]
  authMethod: ClientAuthMethod
  /** Where it comes from: `registered` (RFC 7591, stateless), `document` (client ID metadata document) or `preregistered` (the configuration). */
  origin: 'registered' | 'document' | 'preregistered'
  /** Scopes that it asks for where a request names none; a default, not a cap. */
  defaultScope?: Scope
  clientUri?: string
  /** A trusted client skips the consent page; only the configuration can say so. */
  trusted?: boolean
  /** Of the secret, where the configuration knows the client; see `digest`. */
  secretDigest?: string
  /** With which it signs, where it can. */
  keys?: ClientKeys
  /** The one algorithm that it signs with, where it says so. */
  signingAlgorithm?: string
  /** May ask about any token; only the configuration can say so. */
  mayIntrospect?: boolean
  /** May get tokens for itself, with nobody signed in; only the configuration can say so. */
  mayActAlone?: boolean
}

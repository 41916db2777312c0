import * as z from 'zod'
import type { Client, ClientKeys } from '../../domain/client.ts'
import { OAuthError } from '../../domain/oauth-error.ts'
import { parsePublicKeys } from '../../domain/public-keys.ts'
import { parseScope } from '../../domain/scope.ts'
import { isAssertionAlgorithm } from '../assertions/assertion-algorithms.ts'
import {
  acceptRedirectUris,
  checkGrantAndResponseTypes,
  cleanName,
  isHttpsUrl,
} from './client-metadata.ts'

const MAX_REDIRECT_URIS = 50

/** What of a document is read; it may say more. */
const clientDocument = z.object({
  client_id: z.string(),
  redirect_uris: z.array(z.string()).min(1).max(MAX_REDIRECT_URIS),
  client_name: z.string().optional(),
  client_uri: z.string().optional(),
  scope: z.string().optional(),
  grant_types: z.array(z.string()).optional(),
  response_types: z.array(z.string()).optional(),
  token_endpoint_auth_method: z.string().optional(),
  token_endpoint_auth_methods_supported: z.array(z.string()).optional(),
  token_endpoint_auth_signing_alg: z.string().optional(),
  jwks: z.unknown().optional(),
  jwks_uri: z.string().optional(),
  client_secret: z.never('client_secret has no place in a public document').optional(),
  client_secret_expires_at: z.never('client_secret_expires_at has no place here').optional(),
})

type ClientDocument = z.infer<typeof clientDocument>

/**
 * The client that a metadata document describes.
 *
 * @param clientId the URL from which it was fetched
 * @returns as a text, why the document is not acceptable
 * @see draft-ietf-oauth-client-id-metadata-document-02 section 4
 */
export function readClientDocument(json: unknown, clientId: string): Client | string {
  const parsed = clientDocument.safeParse(json)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return `${issue?.path.join('.') || 'the document'}: ${issue?.message}`
  }
  if (parsed.data.client_id !== clientId) return 'its client_id is not its URL'
  try {
    return describeClient(parsed.data, clientId)
  } catch (error) {
    if (error instanceof OAuthError) return error.description
    throw error
  }
}

function describeClient(document: ClientDocument, clientId: string): Client {
  checkGrantAndResponseTypes(document)
  const { client_uri: clientUri, scope = '' } = document
  const { token_endpoint_auth_signing_alg: signingAlgorithm } = document
  const defaultScope = parseScope(scope)
  if (!defaultScope) throw unacceptable('scope is malformed')
  const keys = findKeys(document)
  const authMethod = chooseAuthMethod(document)
  if (authMethod === 'private_key_jwt') {
    if (!keys) throw unacceptable('private_key_jwt needs jwks or jwks_uri')
    if (signingAlgorithm !== undefined && !isAssertionAlgorithm(signingAlgorithm))
      throw unacceptable('token_endpoint_auth_signing_alg is not supported')
  }
  return {
    clientId,
    clientName: cleanName(document.client_name ?? new URL(clientId).hostname),
    redirectUris: acceptRedirectUris(document.redirect_uris),
    authMethod,
    origin: 'document',
    ...(defaultScope.length > 0 && { defaultScope }),
    ...(clientUri !== undefined && isHttpsUrl(clientUri) && { clientUri }),
    ...(keys && { keys }),
    ...(signingAlgorithm !== undefined && { signingAlgorithm }),
  }
}

/**
 * The method that the document prefers; where it only lists what its client can do, the strongest of those. The default of RFC 7591 is a secret, which nobody can keep in
 * a public document, so a document that says nothing means none at all.
 */
function chooseAuthMethod(document: ClientDocument): 'none' | 'private_key_jwt' {
  const { token_endpoint_auth_methods_supported: supported = ['none'] } = document
  const preferred = document.token_endpoint_auth_method
  const candidates = preferred === undefined ? supported : [preferred]
  if (candidates.includes('private_key_jwt')) return 'private_key_jwt'
  if (candidates.includes('none')) return 'none'
  throw unacceptable('token_endpoint_auth_method must be none or private_key_jwt')
}

function findKeys({ jwks, jwks_uri: jwksUri }: ClientDocument): ClientKeys | undefined {
  if (jwks !== undefined && jwksUri !== undefined)
    throw unacceptable('it has both jwks and jwks_uri')
  if (jwksUri !== undefined) {
    if (!isHttpsUrl(jwksUri)) throw unacceptable('jwks_uri is not an https URL')
    return { jwksUri }
  }
  if (jwks === undefined) return undefined
  const keys = parsePublicKeys(jwks)
  if (typeof keys === 'string') throw unacceptable(`jwks ${keys}`)
  return { jwks: keys }
}

function unacceptable(description: string): OAuthError {
  return new OAuthError('invalid_client_metadata', description)
}

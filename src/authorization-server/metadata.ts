import { ASSERTION_ALGORITHMS } from './assertions/assertion-algorithms.ts'
import type { AuthorizationServer } from './context.ts'
import { ID_JAG_PROFILE, JWT_BEARER } from './tokens/assertion-grant.ts'
import { CLIENT_CREDENTIALS, findLoneClients } from './tokens/client-credentials-grant.ts'
import { findIntrospectors } from './tokens/introspection.ts'

type Server = Pick<
  AuthorizationServer,
  'issuer' | 'resources' | 'clients' | 'enterpriseIssuers' | 'assertionKeys'
>

/** Authorization server metadata. @see RFC 8414 section 2, RFC 9207 section 3, draft-ietf-oauth-client-id-metadata-document-02 section 6 */
export function describeAuthorizationServer(server: Server) {
  const { issuer, resources, clients, enterpriseIssuers, assertionKeys } = server
  const takesAssertions = enterpriseIssuers.size > 0
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    ...(clients.registration && { registration_endpoint: `${issuer}/register` }),
    revocation_endpoint: `${issuer}/revoke`,
    ...(assertionKeys && { jwks_uri: `${issuer}/jwks` }),
    ...(findIntrospectors(server).length > 0 && {
      introspection_endpoint: `${issuer}/introspect`,
      ...describeAuthentication('introspection', ['client_secret_basic', 'client_secret_post']),
    }),
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: [
      ...['authorization_code', 'refresh_token'],
      ...(findLoneClients(server).length > 0 ? [CLIENT_CREDENTIALS] : []),
      ...(takesAssertions ? [JWT_BEARER] : []),
    ],
    ...(takesAssertions && { authorization_grant_profiles_supported: [ID_JAG_PROFILE] }),
    ...describeAuthentication('token', ['none', 'client_secret_basic', 'client_secret_post']),
    ...describeAuthentication('revocation', ['none', 'client_secret_basic', 'client_secret_post']),
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    ...(clients.documents && { client_id_metadata_document_supported: true }),
    scopes_supported: [...new Set(resources.flatMap(({ scopes }) => scopes.names))],
  }
}

function describeAuthentication(
  endpoint: 'token' | 'revocation' | 'introspection',
  methods: readonly string[],
) {
  return {
    [`${endpoint}_endpoint_auth_methods_supported`]: [...methods, 'private_key_jwt'],
    [`${endpoint}_endpoint_auth_signing_alg_values_supported`]: ASSERTION_ALGORITHMS,
  }
}

import type { AuthorizationServer } from './context.ts'

/** Authorization server metadata. @see RFC 8414 section 2, RFC 9207 section 3 */
export function describeAuthorizationServer({
  issuer,
  resources,
}: Pick<AuthorizationServer, 'issuer' | 'resources'>) {
  const authMethods = ['none', 'client_secret_basic', 'client_secret_post']
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    registration_endpoint: `${issuer}/register`,
    revocation_endpoint: `${issuer}/revoke`,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_methods_supported: authMethods,
    revocation_endpoint_auth_methods_supported: authMethods,
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    scopes_supported: [...new Set(resources.flatMap(({ scopes }) => scopes.names))],
  }
}

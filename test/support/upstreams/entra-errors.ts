import { randomUUID } from 'node:crypto'
import type { VendorAnswer } from './vendor-server.ts'

/** The texts of Entra's errors, by code, with the `error` under which each comes. */
const ERRORS = {
  28000: [
    'invalid_request',
    'Provided value for the input parameter scope is not valid because it contains more than one resource.',
  ],
  28003: [
    'invalid_request',
    'Provided value for the input parameter scope cannot be empty when requesting an access token using the provided authorization code.',
  ],
  50020: ['invalid_grant', 'User account from identity provider does not exist in tenant.'],
  50057: ['invalid_grant', 'The user account is disabled.'],
  50076: [
    'interaction_required',
    'Due to a configuration change made by your administrator, you must use multi-factor authentication.',
  ],
  50105: ['invalid_grant', 'The signed in user is not assigned to a role for the application.'],
  50148: [
    'invalid_grant',
    'The code_verifier does not match the code_challenge supplied in the authorization request.',
  ],
  50173: [
    'invalid_grant',
    'The provided grant has expired due to it being revoked, a fresh auth token is needed.',
  ],
  50196: [
    'invalid_grant',
    'The server terminated an operation because it encountered a client request loop.',
  ],
  65001: ['invalid_grant', 'The user or administrator has not consented to use the application.'],
  70000: ['invalid_grant', 'The provided value for the input parameter is not valid.'],
  70008: [
    'invalid_grant',
    'The provided authorization code or refresh token has expired due to inactivity.',
  ],
  70011: [
    'invalid_scope',
    'The provided value for the input parameter scope is not valid. .default scope can not be combined with resource-specific scopes.',
  ],
  90009: [
    'invalid_request',
    'Application is requesting a token for itself. This scenario is supported only if resource is specified using the GUID based App Identifier.',
  ],
  500011: [
    'invalid_resource',
    'The resource principal was not found in the tenant. This can happen if the application has not been installed by the administrator of the tenant.',
  ],
  50013: [
    'invalid_grant',
    'Assertion failed signature validation. [Reason - The key was not found.]',
  ],
  500131: [
    'invalid_grant',
    'Assertion audience does not match the Client app presenting the assertion.',
  ],
  500133: ['invalid_grant', 'Assertion is not within its valid time range.'],
  900144: [
    'invalid_request',
    "The request body must contain the following parameter: 'requested_token_use'.",
  ],
  650053: [
    'invalid_scope',
    'The application asked for a scope that does not exist on the resource Microsoft Graph.',
  ],
  700027: [
    'invalid_client',
    'The certificate with identifier used to sign the client assertion is not registered on application.',
  ],
  7000215: ['invalid_client', 'Invalid client secret provided.'],
  9010010: [
    'invalid_target',
    'The resource parameter provided in the request does not match with the requested scopes.',
  ],
} as const satisfies Record<number, readonly [error: string, text: string]>

export type EntraCode = keyof typeof ERRORS

/** An error as the token endpoint sends it. */
export function renderEntraError(
  code: EntraCode,
  more: Record<string, unknown> = {},
): VendorAnswer {
  const [error] = ERRORS[code]
  return {
    status: error === 'invalid_client' ? 401 : 400,
    json: {
      error,
      error_description: describeEntraError(code),
      error_codes: [code],
      timestamp: '2026-07-01 12:00:00Z',
      trace_id: randomUUID(),
      correlation_id: randomUUID(),
      error_uri: `https://login.microsoftonline.com/error?code=${code}`,
      ...more,
    },
  }
}

/** The wording, in which the callback has the code too. */
export function describeEntraError(code: EntraCode): string {
  const [, text] = ERRORS[code]
  return `AADSTS${code}: ${text} Trace ID: ${randomUUID()} Correlation ID: ${randomUUID()} Timestamp: 2026-07-01 12:00:00Z`
}

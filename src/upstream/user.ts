import type { Configuration } from 'openid-client'
import { fetchProtectedResource } from 'openid-client'
import { OutageError } from '../domain/outage.ts'
import { InvalidAnswer } from './id-token.ts'
import type { UpstreamOptions } from './options.ts'

/**
 * Whose an access token is, for an upstream without ID tokens: the upstream says so itself, so what it says needs no further proof.
 *
 * @returns the user's properties, as claims of the configured issuer
 * @throws InvalidAnswer where they are no JSON object, OutageError where the upstream is in trouble
 */
export async function fetchUserClaims(
  configuration: Configuration,
  { issuer }: UpstreamOptions,
  userUrl: string,
  accessToken: string,
): Promise<Record<string, unknown>> {
  const headers = new Headers({ accept: 'application/json', 'user-agent': 'mcp-auth-gateway' })
  const response = await fetchProtectedResource(
    configuration,
    accessToken,
    new URL(userUrl),
    'GET',
    undefined,
    headers,
  )
  if (response.status === 429 || response.status >= 500) {
    throw new OutageError('upstream', `it does not say whose a token is: status ${response.status}`)
  }
  if (!response.ok) throw new InvalidAnswer(`user_status_${response.status}`)
  const user: unknown = await response.json().catch(() => undefined)
  if (typeof user !== 'object' || user === null) throw new InvalidAnswer('user_unreadable')
  return { ...user, iss: issuer }
}

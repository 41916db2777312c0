/**
 * A backend that wants more of the user than the token shows, as Entra ID's APIs say it: 401 with `error="insufficient_claims"` and, in base64, the `claims` that the next
 * login is to ask for.
 *
 * @see https://learn.microsoft.com/entra/identity-platform/claims-challenge
 */

const MAX_LENGTH = 4096
// It begins only where a name begins: trying each letter of a long one would take a backend's fields as much time as their square.
const PARAMETER = /(?<![a-z_])([a-z_]+)="([^"]*)"/gi

/**
 * What a refusal wants of the next login, as JSON: of the access token only, so that a backend cannot make the gateway ask for anything else.
 *
 * @param rawFields flat, of an answer with 401
 * @returns `undefined` where it wants nothing, or nothing that can be read
 */
export function findRequiredClaims(rawFields: readonly string[]): string | undefined {
  const challenges = rawFields.filter(
    (_, index) => index % 2 === 1 && rawFields[index - 1]?.toLowerCase() === 'www-authenticate',
  )
  for (const challenge of challenges) {
    const parameters = new Map(
      [...challenge.matchAll(PARAMETER)].map(([, name = '', value = '']) => [
        name.toLowerCase(),
        value,
      ]),
    )
    if (parameters.get('error') !== 'insufficient_claims') continue
    const claims = decode(parameters.get('claims') ?? '')
    if (claims !== undefined) return claims
  }
  return undefined
}

function decode(encoded: string): string | undefined {
  if (encoded === '' || encoded.length > MAX_LENGTH) return undefined
  try {
    const claims: unknown = JSON.parse(Buffer.from(encoded, 'base64').toString())
    const wanted: unknown = Object(claims).access_token
    return isSection(wanted) ? JSON.stringify({ access_token: wanted }) : undefined
  } catch {
    return undefined
  }
}

function isSection(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

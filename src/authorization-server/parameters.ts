import type { Context } from 'hono'
import { OAuthError } from '../domain/oauth-error.ts'

/** The parameters of a request, by name; each was sent once, and an empty one counts as not sent. */
export type Parameters = ReadonlyMap<string, string>

/**
 * @throws OAuthError `invalid_request` where a parameter is repeated
 * @see RFC 6749 sections 3.1 and 3.2
 */
export function parseParameters(text: string): Parameters {
  const parameters = new Map<string, string>()
  const seen = new Set<string>()
  for (const [name, value] of new URLSearchParams(text)) {
    if (seen.has(name))
      throw new OAuthError('invalid_request', 'a parameter is repeated', {
        reason: `repeated ${name}`,
      })
    seen.add(name)
    if (value !== '') parameters.set(name, value)
  }
  return parameters
}

/**
 * The parameters of a form body.
 *
 * @throws OAuthError `invalid_request` where the body is no form
 */
export async function readForm(c: Context): Promise<Parameters> {
  const type = c.req.header('content-type') ?? ''
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type)) {
    throw new OAuthError('invalid_request', 'the body must be application/x-www-form-urlencoded')
  }
  return parseParameters(await c.req.text())
}

/** @throws OAuthError `invalid_request` where the parameter is missing */
export function requireParameter(parameters: Parameters, name: string): string {
  const value = parameters.get(name)
  if (value === undefined) throw new OAuthError('invalid_request', `${name} is missing`)
  return value
}

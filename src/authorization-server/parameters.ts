import type { Context } from 'hono'
import { OAuthError } from '../domain/oauth-error.ts'

/** The parameters of a request, by name; each was sent once, and an empty one counts as not sent. */
export type Parameters = ReadonlyMap<string, string>

/** Parameters that may have been repeated: what was is in `repeated`, and not among the parameters, since none of its values is to be believed. */
export type SortedParameters = { parameters: Parameters; repeated: ReadonlySet<string> }

/** For an endpoint whose answer to a repetition depends on what was repeated. */
export function sortParameters(text: string): SortedParameters {
  const parameters = new Map<string, string>()
  const seen = new Set<string>()
  const repeated = new Set<string>()
  for (const [name, value] of new URLSearchParams(text)) {
    if (seen.has(name)) repeated.add(name)
    seen.add(name)
    if (value !== '') parameters.set(name, value)
  }
  for (const name of repeated) parameters.delete(name)
  return { parameters, repeated }
}

/**
 * @throws OAuthError `invalid_request` where a parameter is repeated
 * @see RFC 6749 sections 3.1 and 3.2
 */
export function parseParameters(text: string): Parameters {
  const sorted = sortParameters(text)
  checkNotRepeated(sorted)
  return sorted.parameters
}

/** @throws OAuthError `invalid_request` where one of `names` is repeated; any parameter where none is named */
export function checkNotRepeated({ repeated }: SortedParameters, names?: readonly string[]): void {
  const found = [...repeated].find(name => names?.includes(name) ?? true)
  if (found === undefined) return
  // A stranger chooses the name, so one that is not plain stays out of the log.
  const reason = `repeated ${/^[a-z_]{1,40}$/.test(found) ? found : 'parameter'}`
  throw new OAuthError('invalid_request', 'a parameter is repeated', { reason })
}

/**
 * The parameters of a form body.
 *
 * @throws OAuthError `invalid_request` where the body is no form, or a parameter is repeated
 */
export async function readForm(c: Context): Promise<Parameters> {
  return parseParameters(await readFormText(c))
}

/** @throws OAuthError `invalid_request` where the body is no form */
export async function readFormText(c: Context): Promise<string> {
  const type = c.req.header('content-type') ?? ''
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type)) {
    throw new OAuthError('invalid_request', 'the body must be application/x-www-form-urlencoded')
  }
  return readText(c)
}

/**
 * A whole body. That it breaks off is the client's doing, and nothing to wake somebody for.
 *
 * @throws OAuthError `invalid_request` where it does
 */
export async function readText(c: Context): Promise<string> {
  return c.req.text().catch(() => {
    throw new OAuthError('invalid_request', 'the body broke off')
  })
}

/** @throws OAuthError `invalid_request` where the parameter is missing */
export function requireParameter(parameters: Parameters, name: string): string {
  const value = parameters.get(name)
  if (value === undefined) throw new OAuthError('invalid_request', `${name} is missing`)
  return value
}

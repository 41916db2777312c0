import type { Scope } from '../domain/scope.ts'

/** Values that a text may name in braces. */
export type TemplateValues = Readonly<Record<string, unknown>>

/** OpenID Connect's own scopes, which belong to no API. */
export const STANDARD_SCOPES: Scope = ['openid', 'profile', 'email', 'offline_access']

/**
 * The text with every `{name}` replaced.
 *
 * @returns `undefined` where a value is not given
 */
export function fill(template: string, values: TemplateValues): string | undefined {
  let isComplete = true
  const filled = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name]
    if (typeof value === 'string' && value !== '') return value
    isComplete = false
    return ''
  })
  return isComplete ? filled : undefined
}

/** The parameters whose values are all given. */
export function fillAll(
  templates: Readonly<Record<string, string>>,
  values: TemplateValues,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(templates).flatMap(([name, template]) => {
      const filled = fill(template, values)
      return filled === undefined ? [] : [[name, filled]]
    }),
  )
}

/** A scope as the upstream wants it: a bare name becomes what `template` makes of it, one that is qualified already stays. */
export function qualifyScope(
  scope: string,
  template: string | undefined,
  values: TemplateValues,
): string {
  if (template === undefined || scope.includes('/') || STANDARD_SCOPES.includes(scope)) return scope
  return fill(template, { ...values, scope }) ?? scope
}

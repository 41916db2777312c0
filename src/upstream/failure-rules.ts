/** Something that the person who signs in, or whoever helps that person, can do something about. */
export type SignInProblem =
  | 'consent-missing'
  | 'account-disabled'
  | 'conditional-access'
  | 'wrong-tenant'
  | 'not-assigned'

/**
 * What a vendor means by an error, where that is more or other than what the standard says. All of `error`, `codes` and `says` that are given must match; the first rule
 * that matches counts.
 */
export type FailureRule = {
  error?: string
  /** The vendor's own codes: any of them. */
  codes?: readonly string[]
  /** Of the description. */
  says?: RegExp
  kind?: 'dead' | 'operator' | 'transient'
  problem?: SignInProblem
  /** How long to leave the upstream alone, where it does not say itself. */
  retryAfterSeconds?: number
}

/** An upstream's error as it came: from the token endpoint, or on the callback. */
export type UpstreamError = {
  error: string
  description?: string | undefined
  /** `error_codes` of Entra. */
  codes?: unknown
}

export function findFailureRule(
  rules: readonly FailureRule[],
  refusal: UpstreamError,
): FailureRule | undefined {
  const codes = codesOf(refusal)
  const { error, description = '' } = refusal
  return rules.find(
    rule =>
      (rule.error === undefined || rule.error === error) &&
      (rule.codes === undefined || rule.codes.some(code => codes.includes(code))) &&
      (rule.says === undefined || rule.says.test(description)),
  )
}

/** In a field of their own at the token endpoint; on the callback only as part of the description. */
function codesOf({ description = '', codes }: UpstreamError): string[] {
  const listed = Array.isArray(codes) ? codes.map(String) : []
  const quoted = [...description.matchAll(/\bAADSTS(\d+)/g)].map(([, code = '']) => code)
  return [...listed, ...quoted]
}

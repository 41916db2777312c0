/**
 * Who may do what at one backend. Pure: rules are asked what they keep from a caller, and their answers are put together. A new kind of rule is one more function.
 */
import type { AccessTokenClaims } from '../domain/access-token.ts'
import type { Scope } from '../domain/scope.ts'
import type { ScopeCatalogue } from '../domain/scope-catalogue.ts'
import { createToolPattern } from '../domain/tool-pattern.ts'
import type { Ask } from './message.ts'

/** What is known of whoever calls. */
export type Caller = Pick<AccessTokenClaims, 'scope'>

/**
 * Why a call is refused.
 *
 * - `insufficient-scope`: it may be repeated with more scopes.
 * - `forbidden`: no scope would help.
 */
export type Refusal =
  | { outcome: 'insufficient-scope'; missing: Scope }
  | { outcome: 'forbidden'; reason: string }

/** What a rule keeps from a caller: the tools that match. */
export type Limit = {
  matches: (tool: string) => boolean
  refusal: Refusal
  /** Whether `tools/list` leaves them out too. */
  isHidden: boolean
}

/** What a policy makes of a caller. */
export type Standing = {
  /** Why a request is refused whatever it asks for. */
  refusal: Refusal | undefined
  /** What is kept from the caller of the tools. */
  limits: readonly Limit[]
}

export type Policy = {
  /** Worked out once for each object that says who calls: verified tokens are remembered, and come with every call. */
  standingOf: (caller: Caller) => Standing
}

/** What a pattern of the configuration demands. */
export type ToolDemand = { pattern: string; scopes: Scope; isHidden: boolean }

/** @returns `undefined` where there is nothing to enforce, so that nothing is spent on it */
export function createPolicy(
  catalogue: ScopeCatalogue,
  demands: readonly ToolDemand[],
): Policy | undefined {
  const { required } = catalogue
  if (required.length === 0 && demands.length === 0) return undefined
  const rules = demands.map(demand => createScopeRule(catalogue, demand))
  const standings = new WeakMap<Caller, Standing>()
  const judge = (caller: Caller): Standing => ({
    refusal: lacking(catalogue.findMissing(caller.scope, required)),
    limits: rules.map(rule => rule(caller)).filter(limit => limit !== undefined),
  })
  return {
    standingOf(caller) {
      const known = standings.get(caller)
      if (known) return known
      const standing = judge(caller)
      standings.set(caller, standing)
      return standing
    },
  }
}

/** Why what is asked is refused: all of it, if one of it is. */
export function judgeAsks(limits: readonly Limit[], asks: readonly Ask[]): Refusal | undefined {
  const fitting = limits.filter(({ matches }) =>
    asks.some(({ tool }) => tool !== undefined && matches(tool)),
  )
  return strictest(fitting.map(({ refusal }) => refusal))
}

/** Which tools the caller is not shown; `undefined` where there are none. */
export function concealmentOf(limits: readonly Limit[]): ((tool: string) => boolean) | undefined {
  const hiding = limits.filter(({ isHidden }) => isHidden)
  if (hiding.length === 0) return undefined
  return tool => hiding.some(({ matches }) => matches(tool))
}

function createScopeRule(
  catalogue: ScopeCatalogue,
  { pattern, scopes, isHidden }: ToolDemand,
): (caller: Caller) => Limit | undefined {
  const matches = createToolPattern(pattern)
  if (scopes.length === 0) {
    const refusal: Refusal = { outcome: 'forbidden', reason: `${pattern} is hidden` }
    return () => ({ matches, refusal, isHidden })
  }
  return ({ scope }) => {
    const refusal = lacking(catalogue.findMissing(scope, scopes))
    return refusal && { matches, refusal, isHidden }
  }
}

function lacking(missing: Scope): Refusal | undefined {
  return missing.length === 0 ? undefined : { outcome: 'insufficient-scope', missing }
}

/** What no scope can open is not made to look as if one could; else all that is missing is named at once, so that the client asks its user only once. */
function strictest(refusals: readonly (Refusal | undefined)[]): Refusal | undefined {
  const given = refusals.filter(refusal => refusal !== undefined)
  const forbidden = given.find(({ outcome }) => outcome === 'forbidden')
  if (forbidden) return forbidden
  const missing = given.flatMap(refusal => ('missing' in refusal ? refusal.missing : []))
  return lacking([...new Set(missing)])
}

import type { Identity } from './grant.ts'

/**
 * Who may use a backend, by what the upstream says of them. Names are compared exactly; domains of e-mail addresses without regard to case.
 *
 * A claim holds a value where it is that value, or a list with it. Numbers and booleans count as they are written in JSON.
 */
export type AccessRule =
  | { group: string }
  | { role: string }
  | { emailDomain: string }
  | { claim: string; value: string }
  | { any: readonly AccessRule[] }
  | { all: readonly AccessRule[] }

/** `reason` names what was not met, for the log; it says nothing about the user beyond that. */
export type AccessDecision = { outcome: 'allowed' } | { outcome: 'denied'; reason: string }

/** Anything that the upstream has left out counts as not met. */
export function judgeIdentity(rule: AccessRule, identity: Identity): AccessDecision {
  const reason = findUnmet(rule, identity)
  return reason === undefined ? { outcome: 'allowed' } : { outcome: 'denied', reason }
}

/** Names of the claims that rules ask for beyond the parts of an identity; an upstream must keep them. */
export function claimsOf(rule: AccessRule): string[] {
  if ('any' in rule) return rule.any.flatMap(claimsOf)
  if ('all' in rule) return rule.all.flatMap(claimsOf)
  return 'claim' in rule ? [rule.claim] : []
}

function findUnmet(rule: AccessRule, identity: Identity): string | undefined {
  if ('any' in rule) return findAnyUnmet(rule.any, identity)
  if ('all' in rule) return rule.all.map(part => findUnmet(part, identity)).find(isGiven)
  if ('group' in rule) return findGroupUnmet(rule.group, identity)
  if ('role' in rule) return unless(identity.roles?.includes(rule.role), `role ${rule.role}`)
  if ('emailDomain' in rule) {
    const wanted = rule.emailDomain.toLowerCase()
    return unless(domainOf(identity.email) === wanted, `email domain ${wanted}`)
  }
  const isHeld = holds(identity.claims?.[rule.claim], rule.value)
  return unless(isHeld, `claim ${rule.claim} with ${rule.value}`)
}

function findAnyUnmet(rules: readonly AccessRule[], identity: Identity): string | undefined {
  const unmet: string[] = []
  for (const rule of rules) {
    const reason = findUnmet(rule, identity)
    if (reason === undefined) return undefined
    unmet.push(reason)
  }
  return unmet.join('; ')
}

/** Where the upstream has left groups out because there are too many, nobody knows which; that is not taken for membership. */
function findGroupUnmet(
  group: string,
  { groups, groupsOverage }: Pick<Identity, 'groups' | 'groupsOverage'>,
): string | undefined {
  if (groupsOverage) return `group ${group}: too many groups for the token`
  return unless(groups?.includes(group), `group ${group}`)
}

function unless(isMet: boolean | undefined, reason: string): string | undefined {
  return isMet ? undefined : `not ${reason}`
}

function isGiven(reason: string | undefined): reason is string {
  return reason !== undefined
}

function domainOf(email: string | undefined): string | undefined {
  const at = email?.lastIndexOf('@') ?? -1
  return at > 0 ? email?.slice(at + 1).toLowerCase() : undefined
}

function holds(claim: unknown, value: string): boolean {
  if (Array.isArray(claim)) return claim.some(item => isSame(item, value))
  return isSame(claim, value)
}

function isSame(item: unknown, value: string): boolean {
  const isScalar = typeof item === 'string' || typeof item === 'number' || typeof item === 'boolean'
  return isScalar && String(item) === value
}

import type { Identity } from '../domain/grant.ts'

/** Where the parts of an identity stand among the claims: a claim's name, or a path with dots where there is no such name. */
export type ClaimNames = {
  /** All are needed; several make one subject together. */
  subject: readonly string[]
  email: string
  name: string
  groups: string
  roles: string
}

/** @see OpenID Connect Core section 5.1 */
export const STANDARD_CLAIMS: ClaimNames = {
  subject: ['sub'],
  email: 'email',
  name: 'name',
  groups: 'groups',
  roles: 'roles',
}

type Claims = Readonly<Record<string, unknown>>

/**
 * The part of an ID token that the gateway keeps. Anything malformed is left out rather than believed.
 *
 * @param kept further claims that rules of access look at
 */
export function readIdentity(
  claims: Claims,
  names = STANDARD_CLAIMS,
  kept: readonly string[] = [],
): Identity | undefined {
  const { iss } = claims
  const subject = readSubject(claims, names.subject)
  if (typeof iss !== 'string' || subject === undefined) return undefined
  // An address that its owner has not confirmed may be anybody's.
  const email = claims.email_verified === false ? undefined : text(find(claims, names.email))
  const name = text(find(claims, names.name))
  const groups = texts(find(claims, names.groups))
  const roles = texts(find(claims, names.roles))
  return {
    issuer: iss,
    subject,
    ...(email !== undefined && { email }),
    ...(name !== undefined && { name }),
    ...(groups && { groups }),
    ...(roles && { roles }),
    ...(kept.length > 0 && { claims: keep(claims, kept) }),
    ...(isOverage(claims, names.groups) && { groupsOverage: true as const }),
  }
}

function keep(claims: Claims, names: readonly string[]): Record<string, unknown> {
  const entries = names.map(name => [name, find(claims, name)] as const)
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined))
}

/** The claim of this name, or what stands at this path. */
export function find(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  return name
    .split('.')
    .reduce<unknown>(
      (at, key) => (isRecord(at) && Object.hasOwn(at, key) ? at[key] : undefined),
      claims,
    )
}

function readSubject(claims: Claims, names: readonly string[]): string | undefined {
  const parts = names.map(name => find(claims, name))
  const texts = parts.map(part => (Number.isSafeInteger(part) ? String(part) : text(part)))
  return texts.every(part => part !== undefined && part !== '') ? texts.join(':') : undefined
}

/**
 * Whether the user has more groups than fit into the token, which then says only where to ask for them.
 *
 * @see OpenID Connect Core section 5.6.2
 */
function isOverage(claims: Claims, groups: string): boolean {
  const elsewhere = claims._claim_names
  return (isRecord(elsewhere) && Object.hasOwn(elsewhere, groups)) || claims.hasgroups === true
}

function isRecord(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** One group as a bare text is how some providers write a list of one. */
function texts(value: unknown): string[] | undefined {
  if (typeof value === 'string' && value !== '') return [value]
  return Array.isArray(value) && value.every(item => typeof item === 'string') ? value : undefined
}

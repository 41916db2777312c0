import type { Identity } from '../domain/grant.ts'

/** The part of an ID token that the gateway keeps. Anything malformed is left out rather than believed. */
export function readIdentity(claims: Readonly<Record<string, unknown>>): Identity | undefined {
  const { iss, sub } = claims
  if (typeof iss !== 'string' || typeof sub !== 'string' || sub === '') return undefined
  const email = text(claims.email)
  const name = text(claims.name)
  const groups = texts(claims.groups)
  const roles = texts(claims.roles)
  return {
    issuer: iss,
    subject: sub,
    ...(email !== undefined && { email }),
    ...(name !== undefined && { name }),
    ...(groups && { groups }),
    ...(roles && { roles }),
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function texts(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.every(item => typeof item === 'string') ? value : undefined
}

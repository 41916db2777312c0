import type { EntraCode } from './entra-errors.ts'

const STANDARD = new Set(['openid', 'profile', 'email', 'offline_access'])

/** What a scope asks for, or the code of what is wrong with it. */
export type EntraScope = { resource: string; granted: string } | EntraCode

/** Named scopes and `.default` never together, one resource, and a bare name is one of Microsoft Graph. */
export function readEntraScope(scope: string): EntraScope {
  const named = scope.split(' ').filter(name => name !== '' && !STANDARD.has(name))
  if (named.some(name => !name.includes('/'))) return 650053
  const resources = new Set(named.map(name => name.slice(0, name.lastIndexOf('/'))))
  if (resources.size > 1) return 28000
  if (named.length > 1 && named.some(name => name.endsWith('/.default'))) return 70011
  const [resource = 'https://graph.microsoft.com'] = resources
  return { resource, granted: [...named, 'openid', 'profile', 'email'].join(' ') }
}

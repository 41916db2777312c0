/** Rules of `auth: external`: what it needs, and what would do nothing, or harm, with it. */
import type { Path } from './error.ts'
import type { Finding } from './issues.ts'
import { listAt, valueAt } from './tree.ts'

const NEEDS_CREDENTIAL =
  'must be exchange, onBehalfOf, assertion or none with auth: external: `upstream`, the default, would pass the token of the client on'
const NO_REFRESH_TOKEN =
  'cannot be had with auth: external: the gateway has no refresh token, for nobody signs in here; use exchange or onBehalfOf'

export function isExternal(tree: unknown): boolean {
  return valueAt(tree, ['auth']) === 'external'
}

/** @returns the rules that are broken, whatever else is wrong with the tree */
export function checkExternal(tree: unknown): Finding[] {
  const backends = listAt(tree, ['backends']).map((_, index): Path => ['backends', index])
  if (!isExternal(tree)) {
    const message = 'goes with auth: external'
    return [
      ...refuse(tree, [['authorizationServer']], message),
      ...refuse(tree, atEach(backends, 'audience'), message),
    ]
  }
  // What has a default is not looked at: the effective configuration, which shows it, can be loaded again.
  const clients = listAt(tree, ['clients']).map((_, index): Path => ['clients', index])
  return [
    ...demand(tree, ['authorizationServer'], 'is required with auth: external'),
    ...refuse(
      tree,
      [['enterprise'], ...clients],
      'goes with auth: gateway: here nobody gets a token',
    ),
    ...checkUpstream(tree, backends),
    ...checkKeys(tree, backends),
    ...backends.flatMap(backend => checkBackend(tree, backend)),
  ]
}

function checkBackend(tree: unknown, backend: Path): Finding[] {
  const path = [...backend, 'credential']
  const credential = valueAt(tree, path)
  const scopes = 'is required with auth: external: those of the authorization server, {} for none'
  return [
    ...(credential === undefined || credential === 'upstream'
      ? [{ path, message: NEEDS_CREDENTIAL }]
      : []),
    ...refuse(tree, [[...path, 'refresh']], NO_REFRESH_TOKEN),
    ...demand(tree, [...backend, 'scopes'], scopes),
  ]
}

function checkUpstream(tree: unknown, backends: readonly Path[]): Finding[] {
  if (valueAt(tree, ['upstream', 'provider']) === 'dev') {
    const message = 'dev signs people in, and with auth: external nobody signs in here'
    return [{ path: ['upstream', 'provider'], message }]
  }
  const isNeeded = ['exchange', 'onBehalfOf'].some(kind => isUsed(tree, backends, kind))
  if (!isNeeded || valueAt(tree, ['upstreams']) !== undefined) return []
  return demand(tree, ['upstream'], 'is required: tokens are exchanged there')
}

function checkKeys(tree: unknown, backends: readonly Path[]): Finding[] {
  if (!isUsed(tree, backends, 'assertion')) return []
  return demand(tree, ['keys'], 'is required: they sign the assertions, on every replica the same')
}

function isUsed(tree: unknown, backends: readonly Path[], kind: string): boolean {
  return backends.some(backend => valueAt(tree, [...backend, 'credential', kind]) !== undefined)
}

function demand(tree: unknown, path: Path, message: string): Finding[] {
  return valueAt(tree, path) === undefined ? [{ path, message }] : []
}

function refuse(tree: unknown, paths: readonly Path[], message: string): Finding[] {
  const given = paths.filter(path => valueAt(tree, path) !== undefined)
  return given.map(path => ({ path, message, isAboutKey: true }))
}

function atEach(backends: readonly Path[], key: string): Path[] {
  return backends.map(backend => [...backend, key])
}

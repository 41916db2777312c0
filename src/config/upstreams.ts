/** Which upstreams there are, and which of them each backend names: one, or several with names. */
import type { Path } from './error.ts'
import { isExternal } from './external-rules.ts'
import type { Finding } from './issues.ts'
import type { BackendConfig, GatewayConfig, UpstreamConfig } from './schema.ts'
import { nearest } from './suggest.ts'
import { entriesAt, listAt, valueAt } from './tree.ts'

/** What grants call an upstream that is configured alone. */
const ONLY_UPSTREAM = 'default'

const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/i

/** All upstreams, by the name that grants remember. */
export function upstreamsOf({
  upstream,
  upstreams = {},
}: Pick<GatewayConfig, 'upstream' | 'upstreams'>): [string, UpstreamConfig][] {
  return [
    ...(upstream ? [[ONLY_UPSTREAM, upstream] satisfies [string, UpstreamConfig]] : []),
    ...Object.entries(upstreams),
  ]
}

export function nameOfUpstream({ upstream }: Pick<BackendConfig, 'upstream'>): string {
  return upstream ?? ONLY_UPSTREAM
}

/** @returns the rules that are broken, whatever else is wrong with the tree */
export function checkUpstreams(tree: unknown): Finding[] {
  const isSingle = valueAt(tree, ['upstream']) !== undefined
  const isPlural = valueAt(tree, ['upstreams']) !== undefined
  if (isSingle && isPlural) {
    return [{ path: ['upstreams'], message: 'cannot stand beside upstream', isAboutKey: true }]
  }
  if (!isSingle && !isPlural) {
    // Then nobody signs in, and `checkExternal` says whether one is needed all the same.
    return isExternal(tree) ? [] : [{ path: ['upstream'], message: 'is required' }]
  }
  const names = entriesAt(tree, ['upstreams']).map(([name]) => name)
  return [
    ...(isPlural ? names.flatMap(checkName) : []),
    ...(isPlural && names.length === 0
      ? [{ path: ['upstreams'], message: 'needs at least one entry' }]
      : []),
    ...listAt(tree, ['backends']).flatMap((_, index) =>
      checkBackend(tree, ['backends', index], isPlural ? names : undefined),
    ),
  ]
}

function checkName(name: string): Finding[] {
  if (NAME.test(name)) return []
  const message = 'expected up to 63 letters, digits, dots, dashes and underscores'
  return [{ path: ['upstreams', name], message, isAboutKey: true }]
}

/** @param names of the upstreams; `undefined` where there is only one, without a name */
function checkBackend(
  tree: unknown,
  backend: Path,
  names: readonly string[] | undefined,
): Finding[] {
  const path = [...backend, 'upstream']
  const named = valueAt(tree, path)
  if (!names) {
    const message = 'is for several upstreams, and there is one'
    return named === undefined ? [] : [{ path, message, isAboutKey: true }]
  }
  if (named === undefined) {
    return [{ path, message: 'is required: there are several upstreams' }]
  }
  if (typeof named !== 'string' || names.includes(named)) return []
  const suggestion = nearest(named, names)
  const message = 'is not one of upstreams'
  return [{ path, message, ...(suggestion !== undefined && { suggestion }) }]
}

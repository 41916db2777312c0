/**
 * Rules across the sections of a configuration. They look at the tree before the schema has accepted it, so that they are heard together with every other fault; what
 * they cannot read, the schema refuses.
 */
import { checkExternal } from './external-rules.ts'
import type { Finding } from './issues.ts'
import type { Environment } from './references.ts'
import { checkScopes } from './scope-rules.ts'
import { MINT_HINT } from './sections/keys.ts'
import { listAt, valueAt } from './tree.ts'
import { checkUpstreams } from './upstreams.ts'
import { isLoopbackHost } from './urls.ts'

type Rule = (tree: unknown, env: Environment) => Finding[]

const EVERY_ADDRESS = ['0.0.0.0', '::']

const RULES: readonly Rule[] = [
  redisNeedsKeys,
  tlsNeedsHttps,
  workersNeedRedis,
  devIsNotForProduction,
  devIsLocal,
  samplesAreLocal,
  listenersDiffer,
  tokensWithoutLoginNeedBackend,
  checkScopes,
  checkUpstreams,
  checkExternal,
]

/** @returns the rules that are broken */
export function checkRules(tree: unknown, env: Environment): Finding[] {
  return RULES.flatMap(rule => rule(tree, env))
}

function redisNeedsKeys(tree: unknown): ReturnType<Rule> {
  const keys = valueAt(tree, ['keys'])
  const hasKeys = keys !== undefined && !(Array.isArray(keys) && keys.length === 0)
  if (valueAt(tree, ['redis']) === undefined || hasKeys) return []
  const message = `needs keys: what is stored must be sealed, and every replica must open it; ${MINT_HINT}`
  return [{ path: ['redis'], message }]
}

/** Cookies are made for the scheme of `publicUrl`. */
function tlsNeedsHttps(tree: unknown): ReturnType<Rule> {
  const publicUrl = valueAt(tree, ['publicUrl'])
  if (valueAt(tree, ['listen', 'tls']) === undefined) return []
  if (typeof publicUrl !== 'string' || !/^http:/i.test(publicUrl)) return []
  return [{ path: ['listen', 'tls'], message: 'needs a publicUrl with https' }]
}

/** `auto` too, though it may come to one: what is valid does not depend on the machine. */
function workersNeedRedis(tree: unknown): ReturnType<Rule> {
  const workers = valueAt(tree, ['workers'])
  if (workers !== 'auto' && !(Number(workers) > 1)) return []
  if (isDev(tree)) {
    const message = 'only 1 with provider: dev, which keeps its state in this process'
    return [{ path: ['workers'], message }]
  }
  if (valueAt(tree, ['redis']) !== undefined) return []
  const message = 'more than 1 needs redis: what is in the memory of one, the others do not know'
  return [{ path: ['workers'], message }]
}

function devIsNotForProduction(tree: unknown, env: Environment): ReturnType<Rule> {
  if (!isDev(tree) || env.NODE_ENV !== 'production') return []
  return [
    {
      path: ['upstream', 'provider'],
      message: 'dev lets anybody in: refused with NODE_ENV=production',
    },
  ]
}

function devIsLocal(tree: unknown): ReturnType<Rule> {
  if (!isDev(tree) || isLocal(valueAt(tree, ['publicUrl']))) return []
  return [
    {
      path: ['upstream', 'provider'],
      message: 'dev lets anybody in: refused unless publicUrl is loopback',
    },
  ]
}

function samplesAreLocal(tree: unknown): ReturnType<Rule> {
  const wanted = valueAt(tree, ['upstream', 'sampleBackends'])
  if (!isDev(tree) || (wanted !== true && wanted !== 'true')) return []
  return listAt(tree, ['backends']).flatMap((_, backend) =>
    listAt(tree, ['backends', backend, 'instances']).flatMap((instance, index) => {
      if (isLocal(instance) && /^http:\/\/[^/]+:\d+/i.test(String(instance))) return []
      const message =
        'must be http on loopback with a port: upstream.sampleBackends starts a server there'
      return [{ path: ['backends', backend, 'instances', index], message }]
    }),
  )
}

/** Otherwise the start says that the port is in use, and people look for another program. */
function listenersDiffer(tree: unknown): ReturnType<Rule> {
  const settingOf = (section: string, key: string, otherwise: unknown): string =>
    String(valueAt(tree, [section, key]) ?? otherwise)
  if (settingOf('listen', 'port', 8080) !== settingOf('ops', 'port', 9090)) return []
  const hosts = [
    settingOf('listen', 'host', isDev(tree) ? '127.0.0.1' : '0.0.0.0'),
    settingOf('ops', 'host', '127.0.0.1'),
  ]
  if (hosts[0] !== hosts[1] && !hosts.some(host => EVERY_ADDRESS.includes(host))) return []
  const section = valueAt(tree, ['ops', 'port']) === undefined ? 'listen' : 'ops'
  const message = `is the port of ${section === 'ops' ? 'listen' : 'ops'}`
  return [{ path: [section, 'port'], message }]
}

/** Where every backend gets a token of the upstream, nobody can do without a login. */
function tokensWithoutLoginNeedBackend(tree: unknown): ReturnType<Rule> {
  const isPossible = listAt(tree, ['backends']).some(backend => {
    const credential = valueAt(backend, ['credential'])
    return credential === 'none' || valueAt(credential, ['assertion']) !== undefined
  })
  if (isPossible) return []
  const message = 'needs a backend whose credential is assertion or none: there is no login here'
  const machines = listAt(tree, ['clients']).flatMap((client, index) => {
    const wanted = valueAt(client, ['clientCredentials'])
    const isWanted = wanted === true || wanted === 'true'
    return isWanted ? [{ path: ['clients', index, 'clientCredentials'], message }] : []
  })
  const isEnterprise = valueAt(tree, ['enterprise']) !== undefined
  return [...machines, ...(isEnterprise ? [{ path: ['enterprise'], message }] : [])]
}

function isDev(tree: unknown): boolean {
  return valueAt(tree, ['upstream', 'provider']) === 'dev'
}

/** Also where there is no URL to judge: that is another fault. */
function isLocal(url: unknown): boolean {
  const parsed = typeof url === 'string' ? URL.parse(url) : null
  return !parsed || isLoopbackHost(parsed.hostname)
}

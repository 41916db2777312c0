import { z } from 'zod'
import { flag, milliseconds, parsed, REDACTED, secret, text } from '../fields.ts'
import { Malformed } from '../malformed.ts'
import { distinct, onSection, renamed, resolved } from '../shapes.ts'
import { parseRedisUrl, redactPassword } from '../urls.ts'

export type RedisNode = { host: string; port: number }

/** How the Redis servers are found: one by its URL, a primary through its sentinels, or a cluster through some of its nodes. */
export type RedisTopology =
  | { url: string }
  | { sentinel: { name: string; nodes: RedisNode[]; password?: string } }
  | { cluster: RedisNode[] }

const url = parsed('Redis URL', parseRedisUrl, value => redactPassword(value, REDACTED)).meta({
  title: 'secret',
  writeOnly: true,
})

const nodes = z
  .array(parsed('host and port', parseNode, renderNode))
  .min(1)
  .check(distinct(name, 'is listed twice'))

const sentinel = z.strictObject({
  name: text().describe('The name under which the sentinels know the primary.'),
  nodes: nodes.describe('The sentinels, as `host:port`.'),
  password: secret().exactOptional().describe('The password of the sentinels themselves.'),
})

const written = z
  .strictObject({
    url: url
      .exactOptional()
      .describe(
        'One server: `redis://` or, with TLS, `rediss://`; user, password and database as part of it.',
      ),
    sentinel: sentinel.exactOptional().describe('A primary that sentinels watch.'),
    cluster: nodes.exactOptional().describe('Some nodes of a Redis Cluster, as `host:port`.'),
    username: text().exactOptional().describe('User of the servers; not with `url`.'),
    password: secret().exactOptional().describe('Password of the servers; not with `url`.'),
    tls: flag().prefault(false).describe('TLS to the servers; not with `url`.'),
    keyPrefix: parsed('key prefix', parseKeyPrefix)
      .prefault('mcp-auth-gateway:')
      .describe('What every key begins with.'),
    timeout: milliseconds('10ms', '60s')
      .prefault('1s')
      .describe('Deadline of every command; past it, the store counts as unavailable.'),
  })
  .check(z.superRefine(checkTopology, onSection))

/** @see RedisTopology */
export const redis = resolved(
  renamed(written, { timeout: 'timeoutMs' }),
  // Exactly one is there: `checkTopology`.
  ({ url, sentinel, cluster, ...common }) =>
    ({
      ...common,
      ...(url !== undefined && { url }),
      ...(sentinel && { sentinel }),
      ...(cluster && { cluster }),
    }) as typeof common & RedisTopology,
  value => value,
).describe(
  'Where state is kept: exactly one of `url`, `sentinel` and `cluster`. Without this section state is in memory, for a single process.',
)

function checkTopology(value: object, context: z.RefinementCtx): void {
  const given = ['url', 'sentinel', 'cluster'].filter(key => key in value)
  if (given.length !== 1) {
    const message =
      given.length === 0
        ? 'needs one of url, sentinel and cluster'
        : `takes one of url, sentinel and cluster, and has ${given.join(' and ')}`
    context.addIssue({ code: 'custom', message })
  }
  if (!given.includes('url')) return
  for (const key of ['username', 'password', 'tls'] as const) {
    if (key in value && value[key as keyof typeof value] !== false) {
      context.addIssue({
        code: 'custom',
        message: 'belongs in the url where there is one',
        path: [key],
      })
    }
  }
}

/** A brace would become the hash tag of every key, and a cluster would keep all of them in one place. */
function parseKeyPrefix(input: string): string {
  if (/^[\x21-\x7a|~]+$/.test(input)) return input
  throw new Malformed('expected printable ASCII without spaces and braces, such as mcp:')
}

function parseNode(input: string): RedisNode {
  const [, host, port] = /^(\[[\da-f:.]+\]|[\w.-]+):(\d{1,5})$/i.exec(input) ?? []
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) {
    throw new Malformed('expected host and port, such as redis-1:6379')
  }
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
}

function renderNode({ host, port }: RedisNode): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function name(node: unknown): string | undefined {
  const isNode = typeof node === 'object' && node !== null && 'host' in node && 'port' in node
  return isNode ? `${node.host} ${node.port}` : undefined
}

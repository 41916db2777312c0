import { z } from 'zod'
import { parsed, text } from '../fields.ts'
import { Malformed } from '../malformed.ts'
import { distinct, itself, resolved } from '../shapes.ts'
import { parseInstanceUrl } from '../urls.ts'
import { required, scopes, tools } from './access.ts'
import { allow } from './allow.ts'
import { cache } from './cache.ts'
import { credential } from './credential.ts'
import { connections, probe, timeouts } from './health.ts'

/** First segments of the paths that the gateway answers itself. */
const OWN_SEGMENTS = new Set([
  '.well-known',
  'authorize',
  'callback',
  'consent',
  'introspect',
  'jwks',
  'register',
  'revoke',
  'token',
])

// No percent sign: an encoded path has several spellings, and only one of them would be checked.
const PATH = /^(\/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+$/
const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/i

const backend = resolved(
  z.strictObject({
    path: parsed('path', parsePath).describe(
      'Where clients reach it, exactly. With `publicUrl` this is the resource that tokens are issued for.',
    ),
    name: parsed('name', parseName)
      .exactOptional()
      .describe('What logs and metrics call it. Default: the path, so that `/crm/mcp` is `crm`.'),
    instances: z
      .array(parsed('URL', parseInstanceUrl))
      .min(1)
      .check(distinct(itself, 'is listed twice'))
      .describe(
        'URLs of the instances of the MCP server. Any of them may get any call. `dns:` before a URL makes each address of its host an instance, looked up again as they change.',
      ),
    upstream: text()
      .exactOptional()
      .describe('Which of `upstreams` signs its users in; none where there is only `upstream`.'),
    audience: text()
      .exactOptional()
      .describe(
        'With `auth: external`, what the tokens for it have in `aud`. Default: its URL at the gateway.',
      ),
    scopes,
    required,
    tools,
    allow,
    credential,
    cache,
    timeouts,
    probe,
    connections,
  }),
  value => ({ ...value, name: value.name ?? nameOf(value.path) }),
  value => value,
)

export const backends = z
  .array(backend)
  .min(1)
  .check(distinct(property('path'), 'is the path of another backend', ['path']))
  .check(distinct(property('name'), 'is the name of another backend', ['name']))
  .describe('The MCP servers.')

function parsePath(text: string): string {
  if (!PATH.test(text)) {
    throw new Malformed(
      'expected a path such as /crm/mcp: no slash at the end, no empty segment, no query, nothing percent-encoded',
    )
  }
  const segments = text.slice(1).split('/')
  if (segments.some(segment => segment === '.' || segment === '..')) {
    throw new Malformed('must not contain the segments . and ..')
  }
  const [first = ''] = segments
  if (OWN_SEGMENTS.has(first))
    throw new Malformed(`must not begin with /${first}: the gateway answers there itself`)
  return text
}

function parseName(text: string): string {
  if (NAME.test(text)) return text
  throw new Malformed('expected up to 63 letters, digits, dots, dashes and underscores')
}

function nameOf(path: string): string {
  const segments = path.slice(1).split('/')
  const named = segments.length > 1 && segments.at(-1) === 'mcp' ? segments.slice(0, -1) : segments
  return named.join('-').replaceAll(/[^\w.-]/g, '_')
}

function property(key: 'path' | 'name') {
  return (item: unknown): string | undefined => {
    if (typeof item !== 'object' || item === null || !(key in item)) return undefined
    return itself(item[key as keyof typeof item])
  }
}

/**
 * The one description of `gateway.config.yaml`: it checks, fills in defaults, resolves units, and is where the JSON Schema and `docs/configuration.md` come from. Rules
 * across sections are in `rules.ts`.
 */
import ipaddr from 'ipaddr.js'
import { z } from 'zod'
import { integer, milliseconds, parsed, port, secret, size, text } from './fields.ts'
import { Malformed } from './malformed.ts'
import { auth, authorizationServer } from './sections/authorization-server.ts'
import { backends } from './sections/backends.ts'
import { clients } from './sections/clients.ts'
import { enterprise } from './sections/enterprise.ts'
import { keys } from './sections/keys.ts'
import { lifetimes } from './sections/lifetimes.ts'
import { listen } from './sections/listen.ts'
import { rateLimits } from './sections/rate-limits.ts'
import { redis } from './sections/redis.ts'
import { clientDocuments, registration } from './sections/registration.ts'
import { upstream, upstreams } from './sections/upstream.ts'
import { distinct, itself, renamed, resolved } from './shapes.ts'
import { parseOrigin, parseSecureOrigin } from './urls.ts'

const ops = z
  .strictObject({
    host: text().default('127.0.0.1').describe('Address to listen on.'),
    port: port().prefault(9090).describe('Port to listen on.'),
    token: secret()
      .exactOptional()
      .describe(
        'What the admin API asks for, as `Authorization: Bearer`. Without it there is an admin API on a loopback `host` only.',
      ),
  })
  .prefault({})
  .describe('The listener for operators: health, metrics, admin API. Never make it public.')

const limits = renamed(
  z.strictObject({
    body: size('1KiB', '256MiB').prefault('4MiB').describe('Body of one request.'),
    headers: size('4KiB', '256KiB').prefault('32KiB').describe('Header block of one request.'),
    stall: milliseconds('1s', '5m')
      .prefault('30s')
      .describe(
        'How long a client may take for the head of a request, and for each KiB of its body. Twice as long it may read nothing of an answer.',
      ),
    inFlight: integer(1, 1_000_000).prefault(1024).describe('Calls at once.'),
    streams: integer(1, 1_000_000)
      .prefault(1024)
      .describe('Streams that only listen, at once; they are no calls.'),
    inFlightPerSubject: integer(1, 1_000_000)
      .prefault(256)
      .describe('Calls of one user, or machine client, at once.'),
    streamsPerSubject: integer(1, 1_000_000)
      .prefault(64)
      .describe('Streams that only listen, of one user or machine client, at once.'),
  }),
  { body: 'bodyBytes', headers: 'headersBytes', stall: 'stallMs' },
)
  .prefault({})
  .describe('What one process takes; beyond it, requests are refused.')

const drain = renamed(
  z.strictObject({
    delay: milliseconds('0s', '5m')
      .prefault('0s')
      .describe(
        'How long to go on accepting after readiness is off, so that load balancers notice.',
      ),
    deadline: milliseconds('0s', '1h')
      .prefault('30s')
      .describe('How long requests may take to finish after that.'),
  }),
  { delay: 'delayMs', deadline: 'deadlineMs' },
)
  .prefault({})
  .describe('The stop on SIGTERM.')

const log = z
  .strictObject({
    level: z
      .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
      .default('info')
      .describe('The least important lines that are written.'),
  })
  .prefault({})
  .describe('The log, on standard output.')

const workers = z
  .union([z.literal('auto'), integer(1, 64)], {
    error: ({ input }) =>
      input === undefined ? undefined : 'expected auto or a whole number from 1 to 64',
  })
  .prefault(1)
  .describe(
    'How many processes serve, on one port: a number, or `auto` for one on each processor. More than 1 needs `redis`.',
  )
  .meta({ title: 'integer or `auto`' })

const written = z.strictObject({
  publicUrl: parsed('origin', parseSecureOrigin).describe(
    'Where clients reach the gateway: an origin, https unless loopback. It is the issuer; nothing is ever derived from a Host header.',
  ),
  listen,
  ops,
  keys,
  redis: redis.exactOptional(),
  auth,
  authorizationServer: authorizationServer.exactOptional(),
  upstream: upstream.exactOptional(),
  upstreams: upstreams.exactOptional(),
  backends,
  registration,
  clientDocuments,
  clients,
  enterprise: enterprise.exactOptional(),
  allowedOrigins: z
    .array(parsed('origin', parseAllowedOrigin))
    .check(distinct(itself, 'is listed twice'))
    .prefault([])
    .describe('Origins of browser clients, besides `publicUrl`; `"*"` for any.'),
  trustedProxies: z
    .array(parsed('address range', parseRange))
    .check(distinct(itself, 'is listed twice'))
    .prefault([])
    .describe(
      'Address ranges of the proxies in front, such as `10.0.0.0/8`. `X-Forwarded-For` is believed from these only.',
    ),
  lifetimes,
  limits,
  rateLimits,
  keepAlive: milliseconds('1s', '1h')
    .prefault('75s')
    .describe(
      'How long an idle connection stays open. Longer than the idle timeout of the load balancer in front.',
    ),
  drain,
  workers,
  log,
})

/** The schema of the whole file; see `GatewayConfig` for what it decodes to. */
export const gatewaySchema = resolved(
  renamed(written, { keepAlive: 'keepAliveMs' }),
  ({ listen: { host, ...listener }, ...rest }) => {
    // The embedded IdP lets anybody in, so only an explicit host opens it to the network.
    const defaultHost = rest.upstream?.provider === 'dev' ? '127.0.0.1' : '0.0.0.0'
    return { ...rest, listen: { host: host ?? defaultHost, ...listener } }
  },
  value => value,
)

type DeepReadonly<T> = T extends Uint8Array
  ? T
  : T extends readonly (infer Item)[]
    ? readonly DeepReadonly<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
      : T

/**
 * A checked configuration with every default filled in and every reference resolved. Names tell the units: `…Seconds` are lives, `…Ms` are timeouts, `…Bytes` are sizes.
 */
export type GatewayConfig = DeepReadonly<z.output<typeof gatewaySchema>>

export type UpstreamConfig = NonNullable<GatewayConfig['upstream']>
export type BackendConfig = GatewayConfig['backends'][number]
export type ClientConfig = GatewayConfig['clients'][number]
export type RedisConfig = NonNullable<GatewayConfig['redis']>

function parseAllowedOrigin(input: string): string {
  return input === '*' ? input : parseOrigin(input)
}

function parseRange(input: string): string {
  if (ipaddr.IPv4.isValidCIDRFourPartDecimal(input) || ipaddr.IPv6.isValidCIDR(input)) return input
  throw new Malformed('expected an address range such as 10.0.0.0/8, 192.0.2.7/32 or fd00::/8')
}

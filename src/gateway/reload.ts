import { isDeepStrictEqual } from 'node:util'
import type { GatewayConfig } from '../config/schema.ts'

/**
 * What of a new configuration can be had without a restart. What cannot stays as it runs: listeners are open, state is where it is, and `publicUrl` is the issuer of everything that was
 * given out.
 *
 * @returns the configuration to serve by, and the top-level keys of the file that differ from it
 */
export function keepFixed(
  running: GatewayConfig,
  wanted: GatewayConfig,
): { config: GatewayConfig; fixed: string[] } {
  const { redis: _wantedRedis, upstream, upstreams, ...others } = wanted
  const isDev = running.upstream?.provider === 'dev' || upstream?.provider === 'dev'
  const chosen = isDev ? running : { upstream, upstreams }
  const config: GatewayConfig = {
    ...others,
    ...(running.redis && { redis: running.redis }),
    publicUrl: running.publicUrl,
    listen: renewListen(running.listen, wanted.listen),
    ops: running.ops,
    keepAliveMs: running.keepAliveMs,
    workers: running.workers,
    limits: {
      ...wanted.limits,
      headersBytes: running.limits.headersBytes,
      stallMs: running.limits.stallMs,
    },
    lifetimes: running.redis ? wanted.lifetimes : keepMemoryLifetimes(running, wanted),
    ...(chosen.upstream && { upstream: chosen.upstream }),
    ...(chosen.upstreams && { upstreams: chosen.upstreams }),
  }
  return {
    config,
    fixed: KEYS.filter(key => !isDeepStrictEqual(config[key], wanted[key])).map(nameOf),
  }
}

/** A listener takes another certificate, but neither begins nor ceases to ask for certificates, or for TLS at all. */
function renewListen(
  running: GatewayConfig['listen'],
  { tls }: GatewayConfig['listen'],
): GatewayConfig['listen'] {
  if (!tls || !running.tls) return running
  const isSameKind = (tls.clientCa === undefined) === (running.tls.clientCa === undefined)
  return isSameKind ? { ...running, tls } : running
}

const KEYS = [
  'publicUrl',
  'listen',
  'ops',
  'redis',
  'keepAliveMs',
  'workers',
  'limits',
  'lifetimes',
  'upstream',
] as const

/** As it is called in the file. */
function nameOf(key: (typeof KEYS)[number]): string {
  return key === 'keepAliveMs' ? 'keepAlive' : key
}

/** The store in memory is made once. */
function keepMemoryLifetimes(
  running: GatewayConfig,
  wanted: GatewayConfig,
): GatewayConfig['lifetimes'] {
  const { refreshGraceSeconds, grantAbsoluteSeconds } = running.lifetimes
  return { ...wanted.lifetimes, refreshGraceSeconds, grantAbsoluteSeconds }
}

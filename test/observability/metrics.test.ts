import { describe, expect, it } from 'vitest'
import { CACHE_NAMES } from '../../src/observability/caches.ts'
import { createMetrics } from '../../src/observability/metrics.ts'

const SOURCES = {
  cacheSizes: () => new Map(),
  eventStreams: () => 0,
  requestsInFlight: () => 0,
  keptLists: () => ({ entries: 0, bytes: 0 }),
  instances: () => [],
  isStoreReachable: async () => true,
}
const EVENT = { event: 'revocation', outcome: 'granted', correlationId: 'x' } as const

const render = async (metrics = createMetrics('1')) => (await metrics.render(SOURCES)).text

describe('what an alert asks for by a count', () => {
  it.each([
    'mcp_gateway_authorization_events_total{event="login",outcome="granted"} 0',
    'mcp_gateway_authorization_events_total{event="token",outcome="failed"} 0',
    'mcp_gateway_replays_total{kind="refresh_token"} 0',
    'mcp_gateway_replays_total{kind="authorization_code"} 0',
    'mcp_gateway_upstream_refresh_seconds_count{result="operator"} 0',
    'mcp_gateway_config_reloads_total{result="failure"} 0',
  ])('is there before its first event, so that the first one is an increase: %s', async line => {
    expect((await render()).split('\n')).toContain(line)
  })
})

describe('replays', () => {
  it('are counted by what was replayed, and no other end of a grant is', async () => {
    const metrics = createMetrics('1')
    metrics.auditEvent(EVENT)
    metrics.auditEvent({ ...EVENT, replayed: 'refresh_token' })
    const text = await render(metrics)
    expect(text).toContain('mcp_gateway_replays_total{kind="refresh_token"} 1\n')
    expect(text).toContain('mcp_gateway_replays_total{kind="authorization_code"} 0\n')
    expect(text).toContain('{event="revocation",outcome="granted"} 2\n')
  })
})

describe('caches', () => {
  it('are counted by name over all configurations, while their entries are those of now', async () => {
    const metrics = createMetrics('1')
    for (const size of [3, 4]) {
      const caches = metrics.caches()
      const { hits, misses } = caches.watch('grants', () => size)
      hits.value += 2
      misses.value += 1
      caches.watch('grants', () => 10)
      expect(caches.sizes().get('grants')).toBe(size + 10)
      expect([...caches.sizes().keys()]).toEqual(CACHE_NAMES)
      expect(caches.sizes().get('assertions')).toBe(0)
    }
    const { text } = await metrics.render({
      ...SOURCES,
      cacheSizes: () => new Map([['grants', 4]]),
    })
    expect(text).toContain('mcp_gateway_cache_lookups_total{cache="grants",result="hit"} 4\n')
    expect(text).toContain('mcp_gateway_cache_lookups_total{cache="grants",result="miss"} 2\n')
    expect(text).toContain('mcp_gateway_cache_entries{cache="grants"} 4\n')
    // What nobody counts is not there as if it were never looked at.
    metrics.caches().watch('bearers', () => 1)
    expect(await render(metrics)).not.toContain('cache="bearers",result')
  })
})

import { Histogram, Registry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import {
  mergeExpositions,
  parseExposition,
  renderExposition,
} from '../../../src/gateway/workers/exposition.ts'
import { createCounterFamily } from '../../../src/observability/instruments.ts'
import { createMetrics, type GaugeSources } from '../../../src/observability/metrics.ts'

function gauge(sample: string, value: number | string, name = sample.replace(/\{.*/, '')) {
  return `# HELP ${name} Says something.\n# TYPE ${name} gauge\n${sample} ${value}\n`
}

function merge(...texts: string[]): string {
  return renderExposition(mergeExpositions(texts.map(parseExposition)))
}

function valueIn(text: string, sample: string): string | undefined {
  const line = text.split('\n').find(one => one.startsWith(`${sample} `))
  return line?.slice(sample.length + 1)
}

const SOURCES: GaugeSources = {
  eventStreams: () => 2,
  requestsInFlight: () => 3,
  keptLists: () => ({ entries: 1, bytes: 2 }),
  cacheSizes: () => new Map([['grants', 4]]),
  instances: () => [{ backend: 'crm', serving: 2, ejected: 1 }],
  isStoreReachable: async () => true,
}

describe('the metrics of several processes', () => {
  it('have each series once, as one process writes it', async () => {
    const metrics = createMetrics('1.2.3')
    metrics.backend('crm').answered(0.2, 3)
    metrics.storeOperation('find', 'ok', 0.001)
    const { text } = await metrics.render(SOURCES)
    const seriesOf = (exposition: string) =>
      exposition.split('\n').filter(line => line !== '' && !line.startsWith('#'))
    const namesOf = (exposition: string) =>
      seriesOf(exposition).map(line => line.slice(0, line.lastIndexOf(' ')))
    expect(namesOf(merge(text, text))).toEqual(namesOf(text))
    expect(merge(text)).toBe(text.replaceAll('Nan', 'NaN').replace(/\n\n+/g, '\n'))
  })

  it('have the sum of what they count, also of labels that only one has', () => {
    const render = (...calls: [string, number][]) => {
      const family = createCounterFamily({ name: 'calls_total', help: 'x', labelNames: ['tool'] })
      for (const [tool, count] of calls) family.cell(tool).value += count
      return family.render()
    }
    const merged = merge(render(['a "b"', 3]), render(['a "b"', 4], ['c d', 5]))
    expect(valueIn(merged, String.raw`calls_total{tool="a \"b\""}`)).toBe('7')
    expect(valueIn(merged, 'calls_total{tool="c d"}')).toBe('5')
  })

  it('have the sum of each bucket of a histogram', async () => {
    const observe = async (...seconds: number[]) => {
      const registry = new Registry()
      const histogram = new Histogram({
        ...{ name: 'took_seconds', help: 'x', buckets: [1, 5], registers: [registry] },
      })
      for (const one of seconds) histogram.observe(one)
      return registry.metrics()
    }
    const merged = merge(await observe(0.5, 3), await observe(0.5, 9))
    expect(valueIn(merged, 'took_seconds_bucket{le="1"}')).toBe('2')
    expect(valueIn(merged, 'took_seconds_bucket{le="5"}')).toBe('3')
    expect(valueIn(merged, 'took_seconds_bucket{le="+Inf"}')).toBe('4')
    expect(valueIn(merged, 'took_seconds_sum')).toBe('13')
    expect(valueIn(merged, 'took_seconds_count')).toBe('4')
  })

  it.each([
    ['what is open now: the sum', 'mcp_gateway_event_streams', [2, 3], '5'],
    ['the build: once', 'mcp_gateway_build_info{version="1"}', [1, 1], '1'],
    ['the lag: the worst', 'mcp_gateway_nodejs_eventloop_lag_p99_seconds', [0.1, 0.5], '0.5'],
    [
      'the lag where one has none yet: the other',
      'a_nodejs_eventloop_lag_seconds',
      ['Nan', 1],
      '1',
    ],
    ['whether the store answers: only if to all', 'mcp_gateway_store_reachable', [1, 0], '0'],
    ['the start: the first', 'mcp_gateway_process_start_time_seconds', [20, 10], '10'],
    [
      'instances that serve: as the one sees them that sees the fewest',
      'mcp_gateway_backend_instances{backend="crm",state="serving"}',
      [3, 2],
      '2',
    ],
    [
      'instances that do not: as the same sees them',
      'mcp_gateway_backend_instances{backend="crm",state="ejected"}',
      [0, 1],
      '1',
    ],
  ] as const)('have of %s', (_, sample, values, expected) => {
    const merged = merge(...values.map(value => gauge(sample, value)))
    expect(valueIn(merged, sample)).toBe(expected)
  })
})

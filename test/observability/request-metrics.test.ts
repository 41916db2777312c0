import { describe, expect, it } from 'vitest'
import { createRequestMetrics } from '../../src/observability/request-metrics.ts'

function setUp() {
  const metrics = createRequestMetrics('test_')
  return { crm: metrics.backend('crm'), metrics, lines: () => metrics.render().split('\n') }
}

describe('requests', () => {
  it('are counted by backend, method and outcome', () => {
    const { crm, metrics, lines } = setUp()
    crm.ended('tools/list', undefined, 'ok')
    crm.ended('tools/list', undefined, 'ok')
    crm.ended('tools/list', undefined, 'backendTimeout')
    metrics.backend('wiki').ended('POST', undefined, 'ok')
    expect(lines()).toEqual(
      expect.arrayContaining([
        'test_requests_total{backend="crm",method="tools/list",outcome="ok"} 2',
        'test_requests_total{backend="crm",method="tools/list",outcome="backend_timeout"} 1',
        'test_requests_total{backend="wiki",method="POST",outcome="ok"} 1',
      ]),
    )
  })

  it('of methods that nobody knows are one series, however many a client makes up', () => {
    const { crm, metrics } = setUp()
    for (let n = 0; n < 1000; n += 1) crm.ended(`made/up-${n}"\n`, undefined, 'ok')
    expect(metrics.render()).toContain(
      'test_requests_total{backend="crm",method="_other",outcome="ok"} 1000\n',
    )
    expect(metrics.render()).not.toContain('made/up')
  })

  it('go on being counted where a backend is asked for again, as after a reload', () => {
    const { crm, metrics, lines } = setUp()
    crm.ended('GET', undefined, 'ok')
    metrics.backend('crm').ended('GET', undefined, 'ok')
    expect(lines()).toContain('test_requests_total{backend="crm",method="GET",outcome="ok"} 2')
  })
})

describe('tools', () => {
  it('are learned from calls that were answered well, up to a hundred for each backend', () => {
    const { crm, metrics } = setUp()
    for (let n = 0; n < 150; n += 1) crm.ended('tools/call', `tool_${n}`, 'ok')
    const text = metrics.render()
    expect(text.match(/tool="tool_/g)).toHaveLength(100)
    expect(text).toContain('test_tool_calls_total{backend="crm",tool="_other",outcome="ok"} 50\n')
  })

  it('that failed before they were known, or whose name is none, are other tools', () => {
    const { crm, metrics } = setUp()
    crm.ended('tools/call', 'invented', 'insufficientScope')
    crm.ended('tools/call', 'not a name', 'ok')
    crm.ended('tools/call', 'search', 'ok')
    crm.ended('tools/call', 'search', 'serverError')
    const text = metrics.render()
    expect(text).toContain('tool="_other",outcome="insufficient_scope"} 1\n')
    expect(text).toContain('tool="_other",outcome="ok"} 1\n')
    expect(text).toContain('tool="search",outcome="server_error"} 1\n')
    expect(text).not.toContain('invented')
  })
})

describe('times', () => {
  it('of the gateway and of the backend are histograms of their own, in seconds', () => {
    const { crm, lines } = setUp()
    crm.answered(0.2, 30)
    crm.answered(0.3, 90_000)
    expect(lines()).toEqual(
      expect.arrayContaining([
        'test_gateway_seconds_bucket{backend="crm",le="0.0001"} 0',
        'test_gateway_seconds_bucket{backend="crm",le="0.00025"} 1',
        'test_gateway_seconds_bucket{backend="crm",le="0.0005"} 2',
        'test_gateway_seconds_count{backend="crm"} 2',
        'test_backend_seconds_bucket{backend="crm",le="0.05"} 1',
        'test_backend_seconds_bucket{backend="crm",le="60"} 1',
        'test_backend_seconds_bucket{backend="crm",le="+Inf"} 2',
        'test_backend_seconds_sum{backend="crm"} 90.03',
      ]),
    )
  })
})

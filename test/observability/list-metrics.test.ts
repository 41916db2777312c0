import { describe, expect, it } from 'vitest'
import { createListMetrics } from '../../src/observability/list-metrics.ts'

describe('lists that are kept', () => {
  it('are counted by backend and how a request was answered, and go on after a reload', () => {
    const metrics = createListMetrics('test_')
    metrics.backend('crm').listAnswered('hit')
    metrics.backend('crm').listAnswered('hit')
    metrics.backend('crm').listAnswered('miss')
    metrics.backend('wiki').listChanged('tools')
    expect(metrics.render().split('\n')).toEqual(
      expect.arrayContaining([
        'test_list_cache_requests_total{backend="crm",result="hit"} 2',
        'test_list_cache_requests_total{backend="crm",result="miss"} 1',
        'test_list_cache_invalidations_total{backend="wiki",list="tools"} 1',
      ]),
    )
  })
})

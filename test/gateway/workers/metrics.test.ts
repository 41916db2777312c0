import { describe, expect, it } from 'vitest'
import { createCrewMetrics } from '../../../src/gateway/workers/metrics.ts'

/** What one worker says: calls that it has answered, and streams that are open there. */
function text(calls: number, streams: number): string {
  return `# HELP calls_total x\n# TYPE calls_total counter\ncalls_total ${calls}\n# HELP streams x\n# TYPE streams gauge\nstreams ${streams}\n`
}

function figuresOf(exposition: string) {
  const of = (name: string) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(exposition)?.[1])
  return { calls: of('calls_total'), streams: of('streams') }
}

describe('the metrics of a crew', () => {
  it('count what a worker has counted that does not answer, and not what is open there', async () => {
    const metrics = createCrewMetrics(() => 2)
    const both = new Map([
      [1, text(3, 1)],
      [2, text(4, 2)],
    ])
    expect(figuresOf(await metrics.render('', both))).toEqual({ calls: 7, streams: 3 })
    const one = new Map([[2, text(5, 2)]])
    expect(figuresOf(await metrics.render('', one))).toEqual({ calls: 8, streams: 2 })
  })

  it('count what workers had counted that have ended, however many they were', async () => {
    const metrics = createCrewMetrics(() => 1)
    await metrics.render('', new Map([[1, text(3, 1)]]))
    metrics.lost(1)
    await metrics.render('', new Map([[2, text(4, 2)]]))
    metrics.lost(2)
    const exposition = await metrics.render(text(1, 0), new Map([[3, text(5, 2)]]))
    expect(figuresOf(exposition)).toEqual({ calls: 13, streams: 2 })
    expect(exposition).toContain('mcp_gateway_worker_losses_total 2\n')
    expect(exposition).toContain('mcp_gateway_workers 1\n')
  })

  it('count once what a worker has answered that ends while another is waited for', async () => {
    const metrics = createCrewMetrics(() => 1)
    await metrics.render('', new Map([[1, text(3, 1)]]))
    metrics.lost(1)
    const late = new Map([
      [1, text(3, 1)],
      [2, text(4, 2)],
    ])
    expect(figuresOf(await metrics.render('', late))).toEqual({ calls: 7, streams: 2 })
    const exposition = await metrics.render('', new Map([[2, text(4, 2)]]))
    expect(figuresOf(exposition)).toEqual({ calls: 7, streams: 2 })
  })
})

import { Counter, Gauge, Registry } from 'prom-client'
import { METRIC_PREFIX } from '../../observability/metrics.ts'
import {
  type Family,
  mergeExpositions,
  parseExposition,
  renderExposition,
  totalsOf,
} from './exposition.ts'

/** The metrics of all workers as one text. */
export type CrewMetrics = {
  /**
   * @param own the text of the primary
   * @param answers of those workers that have answered in time, by id
   */
  render(own: string, answers: ReadonlyMap<number, string>): Promise<string>
  /** A worker has ended: it is counted, and what it has counted is kept. */
  lost(id: number): void
}

/**
 * A sum must not become smaller, or Prometheus takes it for a restart and counts everything once more. So what a worker said last stands in for it while it does not answer, and
 * after its end.
 */
export function createCrewMetrics(countServing: () => number): CrewMetrics {
  const { registry, losses } = createRegistry(countServing)
  const latest = new Map<number, Family[]>()
  const gone = new Set<number>()
  let departed: Family[] = []
  return {
    async render(own, answers) {
      for (const [id, text] of answers) {
        // It has ended while another was waited for: its counts are among those of the departed.
        if (!gone.has(id)) latest.set(id, parseExposition(text))
      }
      const reports = [...latest].map(([id, families]) =>
        answers.has(id) ? families : totalsOf(families),
      )
      const primary = parseExposition(own + (await registry.metrics()))
      return renderExposition(mergeExpositions([primary, ...reports, departed]))
    },
    lost(id) {
      losses.inc()
      gone.add(id)
      departed = mergeExpositions([departed, totalsOf(latest.get(id) ?? [])])
      latest.delete(id)
    },
  }
}

function createRegistry(countServing: () => number) {
  const registry = new Registry()
  const registers = [registry]
  const losses = new Counter({
    name: `${METRIC_PREFIX}worker_losses_total`,
    help: 'Worker processes that ended without being told to.',
    registers,
  })
  new Gauge({
    name: `${METRIC_PREFIX}workers`,
    help: 'Worker processes that serve.',
    registers,
    collect() {
      this.set(countServing())
    },
  })
  return { registry, losses }
}

import { createCounterFamily } from './instruments.ts'

/** What is counted of the instances of one backend. */
export type HealthMetrics = {
  /** A call went wrong that may go out once more. @param isGranted whether there was budget for it */
  repeated(reason: string, isGranted: boolean): void
  instanceChanged(change: 'ejected' | 'returned'): void
  /** @param finding from a fixed list */
  probed(finding: string): void
}

const REASONS = ['lost', 'late', 'unavailable']
const FINDINGS = ['open', 'answered', 'dead']

/** @param prefix of all names */
export function createHealthMetrics(prefix: string) {
  const repeats = createCounterFamily({
    name: `${prefix}repeats_total`,
    help: 'Calls that went wrong and may go out once more, by reason; `over_budget` ones did not.',
    labelNames: ['backend', 'reason', 'result'],
  })
  const changes = createCounterFamily({
    name: `${prefix}instance_changes_total`,
    help: 'Instances that were ejected, and those that returned.',
    labelNames: ['backend', 'change'],
  })
  const probes = createCounterFamily({
    name: `${prefix}probes_total`,
    help: 'Probes of instances by what they found: `open`, `answered` or `dead`.',
    labelNames: ['backend', 'finding'],
  })
  // A counter that appears with its first event has no increase there.
  const begin = (name: string): void => {
    for (const reason of REASONS)
      for (const result of ['sent', 'over_budget']) repeats.cell(name, reason, result)
    for (const change of ['ejected', 'returned']) changes.cell(name, change)
    for (const finding of FINDINGS) probes.cell(name, finding)
  }
  return {
    backend(name: string): HealthMetrics {
      begin(name)
      return {
        repeated(reason, isGranted) {
          repeats.cell(name, reason, isGranted ? 'sent' : 'over_budget').value += 1
        },
        instanceChanged(change) {
          changes.cell(name, change).value += 1
        },
        probed(finding) {
          probes.cell(name, finding).value += 1
        },
      }
    },
    render: () => [repeats, changes, probes].map(family => family.render()).join(''),
  }
}

import type { Balancer } from './balancer.ts'
import type { Finding } from './health.ts'
import type { Instance } from './instance.ts'
import type { Member } from './member.ts'
import { type ProbeKind, probe } from './probe.ts'

export type ProbeOptions = { kind: ProbeKind; intervalMs: number }

export type ProbesOptions = ProbeOptions & {
  balancer: Balancer<Instance>
  timeoutMs: number
  onFinding: (finding: Finding) => void
}

/**
 * Asks instances whether they live, but for those that requests have shown to. What it finds goes to the balancer: an instance that nobody calls is known to be dead before somebody
 * does, and one that is back returns without a request being risked on it.
 */
export function startProbes(options: ProbesOptions): { stop(): void } {
  const { balancer, kind, intervalMs, timeoutMs, onFinding } = options
  const underWay = new Set<Member<Instance>>()
  let isStopped = false

  const look = async (member: Member<Instance>): Promise<void> => {
    underWay.add(member)
    const finding = await probe(member.value, kind, timeoutMs)
    underWay.delete(member)
    if (isStopped || finding === undefined) return
    balancer.noteProbe(member, finding)
    onFinding(finding)
  }

  const round = (): void => {
    for (const member of balancer.members) {
      const { hasAnswered } = member
      member.hasAnswered = false
      if (!hasAnswered && !underWay.has(member)) void look(member)
    }
  }

  const timer = setInterval(round, intervalMs).unref()
  return {
    stop() {
      isStopped = true
      clearInterval(timer)
    },
  }
}

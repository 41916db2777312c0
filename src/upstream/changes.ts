/** Who waits for a grant to be changed by somebody else. */
export type Changes = {
  /** Begins to wait. `settled` resolves at the next change, when cancelled, and after about a second in any case, since messages may be lost. */
  next(grantId: string): { settled: Promise<void>; cancel: () => void }
  /** The grant was changed. */
  wake(grantId: string): void
}

const POLL_MS = 1000

export function createChanges(): Changes {
  const waiting = new Map<string, Set<() => void>>()
  return {
    next: grantId => {
      const { promise, resolve } = Promise.withResolvers<void>()
      const ours = waiting.get(grantId) ?? new Set()
      waiting.set(grantId, ours)
      const cancel = () => {
        clearTimeout(timer)
        ours.delete(cancel)
        if (ours.size === 0 && waiting.get(grantId) === ours) waiting.delete(grantId)
        resolve()
      }
      const timer = setTimeout(cancel, POLL_MS * (0.75 + Math.random() / 2))
      ours.add(cancel)
      return { settled: promise, cancel }
    },
    wake: grantId => {
      for (const cancel of [...(waiting.get(grantId) ?? [])]) cancel()
    },
  }
}

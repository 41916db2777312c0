import type { ChildProcess } from 'node:child_process'
import { type Failure, type Order, type Question, report as reportSchema } from './messages.ts'

/** One worker process, as the primary sees it. */
export type Member = {
  id: number
  pid: number | undefined
  /** Since when it runs, in milliseconds of `performance.now()`. */
  startedAt: number
  isServing(): boolean
  /** Whether it has its configuration, and runs. */
  isInformed(): boolean
  /** Gives it its configuration. */
  inform(instructions: Order): void
  tell(order: Order): void
  /** Rejects where there is no answer within `deadlineMs`, or where the process ends before. */
  ask(question: Question, deadlineMs: number): Promise<unknown>
  kill(): void
}

/** What happens to it, in this order. */
export type MemberEvents = {
  /** It waits for its configuration. */
  here(member: Member): void
  serving(member: Member): void
  /** It cannot serve; its end follows. */
  failed(member: Member, failure: Failure): void
  ended(member: Member, code: number | null, signal: string | null): void
}

type Pending = { resolve(answer: unknown): void; reject(error: Error): void }

/** A started process becomes a member of the crew. */
export function createMember(id: number, child: ChildProcess, events: MemberEvents): Member {
  const pending = new Map<number, Pending>()
  let [isServing, isInformed] = [false, false]
  let questions = 0
  const member: Member = {
    id,
    pid: child.pid,
    startedAt: performance.now(),
    isServing: () => isServing,
    isInformed: () => isInformed,
    inform: instructions => {
      isInformed = true
      member.tell(instructions)
    },
    tell: order => {
      // What is told to a process that is about to end, it need not hear.
      if (child.connected) child.send(order)
    },
    ask: (question, deadlineMs) => {
      questions += 1
      const number = questions
      const { promise, resolve, reject } = Promise.withResolvers<unknown>()
      const timer = setTimeout(() => {
        reject(new Error(`worker ${id} has not answered within ${deadlineMs} ms`))
      }, deadlineMs)
      pending.set(number, { resolve, reject })
      member.tell({ kind: 'question', id: number, question })
      return promise.finally(() => {
        clearTimeout(timer)
        pending.delete(number)
      })
    },
    kill: () => {
      // Without a process of its own the signal would go to all of this one's group.
      if (child.pid !== undefined) child.kill('SIGKILL')
    },
  }
  child.on('message', message => {
    const report = reportSchema.parse(message)
    if (report.kind === 'answer') return pending.get(report.id)?.resolve(report.answer)
    if (report.kind === 'here') return events.here(member)
    if (report.kind === 'failed') return events.failed(member, report)
    isServing = true
    return events.serving(member)
  })
  const end = (code: number | null, signal: string | null): void => {
    isServing = false
    isInformed = false
    for (const { reject } of pending.values()) reject(new Error(`worker ${id} has ended`))
    events.ended(member, code, signal)
  }
  child.on('error', ({ message }) => {
    // A channel that breaks while somebody writes to it; the end of the process follows.
    if (child.pid !== undefined) return
    // What the system has not started has no end that anybody would tell of.
    events.failed(member, { kind: 'failed', message })
    end(null, null)
  })
  child.on('exit', end)
  return member
}

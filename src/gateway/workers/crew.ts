import type { ChildProcess } from 'node:child_process'
import type { Logger } from '../../observability/log.ts'
import { StartError } from '../start-error.ts'
import { createMember, type Member, type MemberEvents } from './member.ts'
import type { Failure, Order, Question } from './messages.ts'

export type CrewOptions = {
  /** How many. */
  count: number
  /** Starts a process that is told what to do. */
  fork(id: number): ChildProcess
  /** What a new worker starts with. */
  instructions(): Extract<Order, { kind: 'start' }>
  /** Learns of a worker that has ended without being told to. */
  onLoss(id: number): void
  logger: Logger
  /** How often each worker is asked whether it still answers, and how long it has for that. */
  watchMs?: number
}

/** The worker processes. As many as are wanted run: one that ends is replaced. */
export type Crew = {
  /** Resolves when all serve. @throws StartError, or the socket's error where a port cannot be bound; none is left then */
  start(): Promise<void>
  /** Those that serve now. */
  serving(): readonly Member[]
  /** Those that have their configuration: these, and such as are about to serve. */
  informed(): readonly Member[]
  /** Tells all to finish. Resolves when none is left; after `deadlineMs` they are killed. */
  drain(deadlineMs: number): Promise<void>
  kill(): void
}

const WATCH_MS = 30_000
/** One that ran for so long did not fail for what it found at its start. */
const STABLE_MS = 10_000
const FIRST_DELAY_MS = 200
const LONGEST_DELAY_MS = 30_000
/** So many ends in a row before all have served once, and there is no point in going on. */
const LOSSES_AT_START = 3

export function createCrew(options: CrewOptions): Crew {
  const { count, fork, instructions, onLoss, logger, watchMs = WATCH_MS } = options
  const members = new Set<Member>()
  const { promise: started, resolve, reject } = Promise.withResolvers<void>()
  const { promise: emptied, resolve: noteEmpty } = Promise.withResolvers<void>()
  let phase: 'starting' | 'running' | 'ending' = 'starting'
  let lossesInARow = 0
  let hired = 0

  const hire = (): void => {
    if (phase === 'ending') return
    hired += 1
    members.add(createMember(hired, fork(hired), events))
  }
  const giveUp = (error: Error): void => {
    phase = 'ending'
    killAll(members)
    if (members.size === 0) noteEmpty()
    void emptied.then(() => reject(error))
  }
  const events: MemberEvents = {
    here: member => member.inform(instructions()),
    serving: member => {
      logger.info({ worker: member.id, pid: member.pid }, 'worker serves')
      if (phase !== 'starting' || serving(members).length < count) return
      phase = 'running'
      lossesInARow = 0
      resolve()
    },
    failed: (member, failure) => {
      logger.error({ worker: member.id, failure: failure.message }, 'worker cannot serve')
      if (phase === 'starting') giveUp(errorOf(failure))
    },
    ended: (member, code, signal) => {
      members.delete(member)
      if (phase === 'ending') return members.size === 0 ? noteEmpty() : undefined
      onLoss(member.id)
      lossesInARow = performance.now() - member.startedAt < STABLE_MS ? lossesInARow + 1 : 0
      if (phase === 'starting' && lossesInARow >= LOSSES_AT_START) {
        const how = signal ?? `exit code ${code}`
        return giveUp(new StartError(1, `no worker stays alive: the last ended with ${how}`))
      }
      const delayMs = delayAfter(lossesInARow)
      logger.error({ worker: member.id, code, signal, delayMs }, 'worker lost; it is replaced')
      setTimeout(hire, delayMs)
    },
  }
  const watch = startWatch(members, watchMs, logger)

  return {
    start: () => {
      for (let index = 0; index < count; index += 1) hire()
      return started
    },
    serving: () => serving(members),
    informed: () => [...members].filter(member => member.isInformed()),
    drain: async deadlineMs => {
      phase = 'ending'
      clearInterval(watch)
      if (members.size > 0) await drainAll(members, emptied, deadlineMs)
    },
    kill: () => killAll(members),
  }
}

/** @returns milliseconds: at once after a worker that had run for long, then longer each time */
function delayAfter(lossesInARow: number): number {
  if (lossesInARow === 0) return 0
  return Math.min(FIRST_DELAY_MS * 2 ** (lossesInARow - 1), LONGEST_DELAY_MS)
}

function serving(members: ReadonlySet<Member>): Member[] {
  return [...members].filter(member => member.isServing())
}

function killAll(members: ReadonlySet<Member>): void {
  for (const member of members) member.kill()
}

async function drainAll(
  members: ReadonlySet<Member>,
  emptied: Promise<void>,
  deadlineMs: number,
): Promise<void> {
  for (const member of members) member.tell({ kind: 'drain' })
  const deadline = setTimeout(() => killAll(members), deadlineMs)
  await emptied
  clearTimeout(deadline)
}

function startWatch(members: ReadonlySet<Member>, watchMs: number, logger: Logger): NodeJS.Timeout {
  return setInterval(() => {
    for (const member of serving(members)) replaceIfHung(member, watchMs, logger)
  }, watchMs).unref()
}

/** One whose event loop stands still would keep its connections for ever; its end is noticed as any other. */
function replaceIfHung(member: Member, deadlineMs: number, logger: Logger): void {
  const question: Question = { kind: 'ops', method: 'GET', path: '/livez', headers: [] }
  member.ask(question, deadlineMs).catch(() => {
    if (!member.isServing()) return
    logger.error({ worker: member.id, deadlineMs }, 'worker does not answer; it is killed')
    member.kill()
  })
}

function errorOf({ message, code, address, port }: Failure): Error {
  // Explained as it would be if this process had met it.
  if (code === 'EADDRINUSE') return Object.assign(new Error(message), { code, address, port })
  return new StartError(1, `the workers cannot serve: ${message}`)
}

import type { Recording, Stage } from './stage.ts'

/** A fault that happens to a real installation, and what on-call hears of it. */
export type Scene = {
  fault: string
  /** Exactly these fire while it lasts. */
  alerts: readonly string[]
  record(stage: Stage): Promise<Recording>
  /** May fire as well: how slow the machine is that runs the test is no part of the fault. */
  mayFire?: readonly string[]
}

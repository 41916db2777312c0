import { type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'

export type RunningProcess = {
  /** Everything that it has written to stdout and stderr. */
  logs(): string
  /** How it ended, once it has: its exit code, or `null` where a signal did it. */
  exited: Promise<number | null>
  hasExited(): boolean
  /** SIGTERM, and SIGKILL where it has not ended so long after. Resolves with how it ended. */
  stop(graceMs?: number): Promise<number | null>
}

const GRACE_MS = 10_000

/** Starts a program that does not outlive this process. */
export function runProcess(
  [program, ...args]: readonly [string, ...string[]],
  options: Pick<SpawnOptions, 'cwd' | 'env' | 'uid' | 'gid'>,
): RunningProcess {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let isOver = false
  const collect = (chunk: Buffer) => {
    output += chunk.toString()
  }
  child.stdout.on('data', collect)
  child.stderr.on('data', collect)
  const killNow = () => void child.kill('SIGKILL')
  process.once('exit', killNow)
  const exited = once(child, 'close').then(([code]) => {
    process.removeListener('exit', killNow)
    isOver = true
    return code as number | null
  })
  return {
    logs: () => output,
    exited,
    hasExited: () => isOver,
    stop: async (graceMs = GRACE_MS) => {
      child.kill('SIGTERM')
      const timer = setTimeout(killNow, graceMs)
      const code = await exited
      clearTimeout(timer)
      return code
    },
  }
}

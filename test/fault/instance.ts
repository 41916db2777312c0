import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { waitFor } from '../support/wait-for.ts'

/** One instance of an MCP server, as a process of its own; see `instance-program.ts` for what each path does. */
export type InstanceProcess = {
  origin: string
  pid(): number
  /** Which calls of tools it has run, by their ids, in order, whatever has become of it since. */
  runs(): string[]
  /** Which ids it has been asked with, whatever the method. */
  seen(): string[]
  /** Which of them it has answered to the end. */
  answered(): string[]
  signal(name: NodeJS.Signals): void
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>
  /** Starts it again on the same port, where it does not run. */
  start(): Promise<void>
}

const PROGRAM = join(import.meta.dirname, 'instance-program.ts')
const START_MS = 20_000

export async function startInstance(port: number): Promise<InstanceProcess> {
  let output = ''
  let child = start()

  function start() {
    const started = spawn(process.execPath, [PROGRAM], {
      env: { PATH: process.env.PATH, PORT: String(port) },
      // It ends when its standard input does, so that it never outlives whoever has started it.
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    started.stdout.on('data', chunk => {
      output += String(chunk)
    })
    return started
  }

  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null
  const listening = (times: number): Promise<boolean> =>
    waitFor(() => output.split('listening\n').length > times, {
      what: 'the instance to listen',
      timeoutMs: START_MS,
    })
  const find = (pattern: RegExp): string[] => [...output.matchAll(pattern)].map(([, id = '']) => id)

  await listening(1)
  return {
    origin: `http://127.0.0.1:${port}`,
    pid: () => child.pid ?? 0,
    runs: () => find(/^\/\S+ tools\/call (\S+)$/gm),
    seen: () => find(/^\/\S+ \S+ (\S+)$/gm),
    answered: () => find(/^answered (\S+)$/gm),
    signal: name => void child.kill(name),
    kill: async () => {
      if (!isRunning()) return
      const closed = once(child, 'close')
      child.kill('SIGKILL')
      await closed
    },
    start: async () => {
      if (isRunning()) return
      const times = output.split('listening\n').length
      child = start()
      await listening(times)
    },
  }
}

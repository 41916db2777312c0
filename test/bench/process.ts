import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { waitFor } from '../support/wait-for.ts'

/** A process of the benchmark, bound to one processor. */
export type BoundProcess = { pid: number; stop(): Promise<void> }

/** Starts a program on the given processor and waits until it accepts connections on `port`. */
export async function startBound(
  cpu: string,
  port: number,
  command: string,
  args: readonly string[],
): Promise<BoundProcess> {
  const child = spawn('taskset', ['-c', cpu, command, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { PATH: process.env.PATH, HOME: tmpdir(), NODE_ENV: 'production' },
  })
  const kill = () => void child.kill('SIGKILL')
  process.once('exit', kill)
  await waitFor(() => accepts(port), { what: `${command} to listen on ${port}` })
  return { pid: child.pid ?? 0, stop: () => stop(child, kill) }
}

/** Binds a process that runs already, with all its threads. */
export function bindTo(cpu: string, pid: number): void {
  execFileSync('taskset', ['-acp', cpu, `${pid}`], { stdio: 'ignore' })
}

/** Resident memory of a process, in bytes. */
export function residentBytes(pid: number): number {
  const [, kib = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kib) * 1024
}

export function isInstalled(command: string): boolean {
  try {
    execFileSync('which', [command], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

async function stop(child: ChildProcess, kill: () => void): Promise<void> {
  process.removeListener('exit', kill)
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(kill, 2000)
  await ended
  clearTimeout(timer)
}

function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  return new Promise(resolve => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  }).then(result => {
    socket.destroy()
    return result as boolean
  })
}

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { BuiltImage } from './build.ts'

export type Container = {
  logs(): string
  /** Runs the image's health check, with its ports replaced. Whether it ended with 0. */
  isHealthy(ports: Readonly<Record<number, number>>): Promise<boolean>
  /** Its exit code, once it has ended. */
  exited: Promise<number | null>
  /** SIGTERM. Resolves with the exit code. */
  stop(): Promise<number | null>
}

/** Reading is all that is allowed: whatever would write, to wherever, fails. */
const READ_ONLY = '--permission --allow-fs-read=*'

/**
 * Starts an image's entry point as an engine would with `--read-only`: its environment and nothing of ours, its user where we may become it, and a path on which there is
 * nothing but Node.js, so no shell either.
 */
export function startContainer(image: BuiltImage): Container {
  const options = {
    cwd: join(image.root, image.workdir),
    env: { ...inImage(image), NODE_OPTIONS: READ_ONLY },
    ...identityOf(image),
  }
  const [program, args] = commandOf(image, [...image.entrypoint, ...image.command])
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  const logs = collect(child)
  const exited = once(child, 'close').then(([code]) => code as number | null)
  const killNow = () => void child.kill('SIGKILL')
  process.once('exit', killNow)
  return {
    logs,
    exited,
    isHealthy: ports => {
      const words = image.healthcheck.map(word => replacePorts(word, ports))
      const [check, checkArgs] = commandOf(image, words)
      const { promise, resolve } = Promise.withResolvers<boolean>()
      execFile(check, checkArgs, options, error => resolve(error === null))
      return promise
    },
    stop: () => {
      process.removeListener('exit', killNow)
      child.kill('SIGTERM')
      return exited
    },
  }
}

/** Root may become anybody; others are somebody already. */
function identityOf({ user }: BuiltImage): { uid: number; gid: number } | undefined {
  if (!user) throw new Error('the image has no USER, so it runs as root')
  return process.getuid?.() === 0 ? user : undefined
}

function inImage({ root, env }: BuiltImage): Record<string, string> {
  return { ...env, PATH: join(root, 'usr/local/bin') }
}

/** Programs are looked up on the image's path; absolute paths are those of the image. */
function commandOf({ root }: BuiltImage, words: readonly string[]): [string, string[]] {
  const [program = '', ...args] = words
  const inRoot = (word: string) => (word.startsWith('/') ? join(root, word) : word)
  return [join(root, 'usr/local/bin', program), args.map(inRoot)]
}

function replacePorts(text: string, ports: Readonly<Record<number, number>>): string {
  return text.replaceAll(/(?<=127\.0\.0\.1:)\d+/g, port => `${ports[Number(port)] ?? port}`)
}

function collect(child: ChildProcess): () => string {
  let output = ''
  const add = (chunk: Buffer) => {
    output += chunk.toString()
  }
  child.stdout?.on('data', add)
  child.stderr?.on('data', add)
  return () => output
}

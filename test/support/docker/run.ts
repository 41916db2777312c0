import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { type RunningProcess, runProcess } from '../running-process.ts'
import type { BuiltImage } from './build.ts'

export type Container = RunningProcess & {
  /** Runs the image's health check, with its ports replaced. Whether it ended with 0. */
  isHealthy(ports: Readonly<Record<number, number>>): Promise<boolean>
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
    env: { ...image.env, PATH: binOf(image), NODE_OPTIONS: READ_ONLY },
    ...identityOf(image),
  }
  const running = runProcess(commandOf(image, [...image.entrypoint, ...image.command]), options)
  return {
    ...running,
    isHealthy: ports => {
      const words = image.healthcheck.map(word => replacePorts(word, ports))
      const [check, ...args] = commandOf(image, words)
      const { promise, resolve } = Promise.withResolvers<boolean>()
      execFile(check, args, options, error => resolve(error === null))
      return promise
    },
  }
}

/** Root may become anybody; others are somebody already. */
function identityOf({ user }: BuiltImage): { uid: number; gid: number } | undefined {
  if (!user) throw new Error('the image has no USER, so it runs as root')
  return process.getuid?.() === 0 ? user : undefined
}

function binOf({ root }: BuiltImage): string {
  return join(root, 'usr/local/bin')
}

/** Programs are looked up on the image's path; absolute paths are those of the image. */
function commandOf(image: BuiltImage, words: readonly string[]): [string, ...string[]] {
  const [program = '', ...args] = words
  const inRoot = (word: string) => (word.startsWith('/') ? join(image.root, word) : word)
  return [join(binOf(image), program), ...args.map(inRoot)]
}

function replacePorts(text: string, ports: Readonly<Record<number, number>>): string {
  return text.replaceAll(/(?<=127\.0\.0\.1:)\d+/g, port => `${ports[Number(port)] ?? port}`)
}

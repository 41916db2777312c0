import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'

/** A gateway that the demo has started. */
export type StartedGateway = { stop(): Promise<void> }

const MAIN = fileURLToPath(new URL('../../main.ts', import.meta.url))
const READY_WITHIN_MS = 20_000
const STOPS_WITHIN_MS = 10_000
const LAST_OUTPUT_LENGTH = 1000

const metadata = z.object({ issuer: z.string() })

/**
 * Whether a gateway answers at `publicUrl`.
 *
 * @throws Error where something else does
 */
export async function isGatewayAt(publicUrl: string): Promise<boolean> {
  const answer = await askMetadata(publicUrl)
  if (answer === undefined) return false
  const parsed = metadata.safeParse(answer)
  if (parsed.success && parsed.data.issuer === publicUrl) return true
  throw new Error(`something answers at ${publicUrl}, but it is not this gateway`)
}

/**
 * Starts a gateway as a child process and waits until it answers.
 *
 * @param file its configuration
 * @throws Error with the end of its output where it does not come up; it is not left running then
 */
export async function startGateway(file: string, publicUrl: string): Promise<StartedGateway> {
  const child = spawn(process.execPath, [MAIN, 'start', '--config', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const killNow = () => void child.kill('SIGKILL')
  process.once('exit', killNow)
  const exited = once(child, 'close')
  const output = collectOutput(child)
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    const deadline = setTimeout(killNow, STOPS_WITHIN_MS)
    await exited
    clearTimeout(deadline)
    process.removeListener('exit', killNow)
  }
  try {
    await becomeReady(child, publicUrl)
  } catch (cause) {
    await stop()
    throw new Error(`the gateway did not start:\n\n${output()}`, { cause })
  }
  return { stop }
}

/** `undefined` where nobody listens; whatever was answered where somebody does. */
async function askMetadata(publicUrl: string): Promise<unknown> {
  try {
    const signal = AbortSignal.timeout(2000)
    const url = `${publicUrl}/.well-known/oauth-authorization-server`
    const response = await fetch(url, { signal })
    return await response.json().catch(() => null)
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

async function becomeReady(child: ChildProcess, publicUrl: string): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
    if (await isGatewayAt(publicUrl)) return
    await pause(100)
  }
  throw new Error(`it does not answer at ${publicUrl}`)
}

function collectOutput(child: ChildProcess): () => string {
  let output = ''
  const collect = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-LAST_OUTPUT_LENGTH)
  }
  child.stdout?.on('data', collect)
  child.stderr?.on('data', collect)
  return () => output
}

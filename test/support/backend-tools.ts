import { setTimeout as pause } from 'node:timers/promises'
import { decodeJwt } from 'jose'
import * as z from 'zod'

/** How a tool reports progress, whichever SDK it runs under. */
export type Progress = {
  signal: AbortSignal
  progressToken: string | number | undefined
  notify(params: ProgressParams): Promise<void>
}

type ProgressParams = { progressToken: string | number; progress: number; total: number }

export const SLOW_COUNT = z.object({
  to: z.number().int().min(1).max(600).default(5),
  delayMs: z.number().int().min(0).default(1000),
})

export const ADD = z.object({ a: z.number(), b: z.number() })

/** What `whoami` answers, as JSON in a text block. */
export type Whoami = { instance: string; claims?: Record<string, unknown> }

export function whoami(instance: string, authorization: string | null) {
  const token = /^Bearer (\S+)$/.exec(authorization ?? '')?.[1]
  const answer: Whoami = { instance, ...(token?.includes('.') && { claims: decodeJwt(token) }) }
  return text(JSON.stringify(answer))
}

export async function slowCount({ to, delayMs }: z.infer<typeof SLOW_COUNT>, progress: Progress) {
  const { signal, progressToken, notify } = progress
  for (let step = 1; step <= to; step++) {
    await pause(delayMs, undefined, { signal })
    if (progressToken !== undefined) await notify({ progressToken, progress: step, total: to })
  }
  return text(`counted to ${to}`)
}

export function add({ a, b }: z.infer<typeof ADD>) {
  return text(String(a + b))
}

export function text(value: string) {
  return { content: [{ type: 'text' as const, text: value }] }
}

/** What the primary and its workers say to each other over the channel between them, as JSON. */
import { z } from 'zod'
import type { ConfigFiles } from '../../config/load.ts'

/** The command that the primary starts a worker with; nobody else can. */
export const WORKER_COMMAND = 'worker'

/** The configuration, as it was read and checked once for all workers. */
const configuration = {
  file: z.string(),
  files: z.array(z.tuple([z.string(), z.string()])),
}

const opsRequest = z.object({
  kind: z.literal('ops'),
  method: z.string(),
  /** With its query. */
  path: z.string(),
  headers: z.array(z.tuple([z.string(), z.string()])),
  body: z.string().optional(),
})

const reload = z.object({ kind: z.literal('reload'), ...configuration })

const question = z.discriminatedUnion('kind', [opsRequest, reload])

/** What the primary says. */
export const order = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('start'), ...configuration }),
  z.object({ kind: z.literal('question'), id: z.number(), question }),
  z.object({ kind: z.literal('drain') }),
])

/** What a worker says. */
export const report = z.discriminatedUnion('kind', [
  /** It runs, and waits for its `start`. */
  z.object({ kind: z.literal('here') }),
  z.object({ kind: z.literal('serving') }),
  /** It cannot serve, and ends. */
  z.object({
    kind: z.literal('failed'),
    message: z.string(),
    code: z.string().optional(),
    address: z.string().optional(),
    port: z.number().optional(),
  }),
  z.object({ kind: z.literal('answer'), id: z.number(), answer: z.unknown() }),
])

export const opsAnswer = z.object({
  status: z.number(),
  headers: z.array(z.tuple([z.string(), z.string()])),
  body: z.string(),
})

export const reloadAnswer = z.union([
  z.object({ fixed: z.array(z.string()) }),
  z.object({ failure: z.string() }),
])

export type Order = z.infer<typeof order>
export type Question = z.infer<typeof question>
export type OpsRequest = z.infer<typeof opsRequest>
export type Report = z.infer<typeof report>
export type Failure = Extract<Report, { kind: 'failed' }>
export type OpsAnswer = z.infer<typeof opsAnswer>
export type ReloadAnswer = z.infer<typeof reloadAnswer>

export function describeConfiguration(file: string, files: ConfigFiles) {
  return { file, files: [...files] }
}

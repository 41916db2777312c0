/** One of several processes that serve. It is told what to do by the primary, and by nobody else. */
import type { Hono } from 'hono'
import packageJson from '../../../package.json' with { type: 'json' }
import { parseFiles } from '../../config/load.ts'
import { type Gateway, startGateway } from '../../gateway.ts'
import { createSharedLogger, type Logger } from '../../observability/log.ts'
import { StartError } from '../start-error.ts'
import { openTracing } from '../tracing.ts'
import { resolveUpstreams } from '../upstreams.ts'
import {
  type OpsAnswer,
  type OpsRequest,
  type Order,
  order as orderSchema,
  type Question,
  type ReloadAnswer,
  type Report,
} from './messages.ts'

/** Is no answer to any question, so whoever has asked hears of a failure. */
const NO_ANSWER = null

type Running = { gateway: Gateway; ops: Hono; logger: Logger }
type Configuration = Pick<Extract<Order, { kind: 'start' }>, 'file' | 'files'>

/**
 * Serves as the primary says, and ends where that has ended.
 *
 * @param id of this worker
 * @throws StartError where no primary started this process
 */
export function runWorker(id: number): void {
  if (!process.send) throw new StartError(2, 'only `start` starts workers: see `workers`')
  let running: Promise<Running> | undefined
  const obey = async (order: Order): Promise<void> => {
    if (order.kind === 'start') {
      running = start(order, id)
      await running.then(() => report({ kind: 'serving' }), fail)
    } else if (order.kind === 'drain') {
      await drain(running)
    } else if (running) {
      const { id: number, question } = order
      report({ kind: 'answer', id: number, answer: await answer(await running, question) })
    }
  }
  ignoreSignals()
  process.on('message', message => void obey(orderSchema.parse(message)))
  process.once('disconnect', () => process.exit())
  report({ kind: 'here' })
}

function report(what: Report): void {
  if (process.connected) process.send?.(what)
}

/** A terminal sends them to all processes of its group, and so do some supervisors; the primary has had them too. */
function ignoreSignals(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
}

async function start({ file, files }: Configuration, worker: number): Promise<Running> {
  const config = parseFiles(file, process.env, new Map(files))
  const tracing = await openTracing(process.env, packageJson.version)
  const lostLines = { value: 0 }
  const logger = createSharedLogger(config.log.level, { worker }, tracing?.logFields, lostLines)
  tracing?.tellFaults(logger)
  const { promise: asked, resolve: serveOps } = Promise.withResolvers<Hono>()
  const gateway = await startGateway(config, resolveUpstreams(config), logger, {
    ...{ sharesPort: true, lostLines },
    ...(tracing && { tracing }),
    serveOps: app => {
      serveOps(app)
      return { listen: async () => undefined, close: async () => undefined }
    },
  })
  return { gateway, ops: await asked, logger }
}

function fail(error: unknown): void {
  const { code, address, port }: NodeJS.ErrnoException & { address?: unknown; port?: unknown } =
    error instanceof Error ? error : new Error(String(error))
  const report: Report = {
    kind: 'failed',
    message: error instanceof Error ? error.message : String(error),
    ...(code !== undefined && { code }),
    ...(typeof address === 'string' && { address }),
    ...(typeof port === 'number' && { port }),
  }
  process.send?.(report, () => process.exit(1))
}

async function drain(running: Promise<Running> | undefined): Promise<void> {
  const { gateway, logger } = (await running?.catch(() => undefined)) ?? {}
  await gateway?.drain()
  await new Promise<void>(resolve => (logger ? logger.flush(() => resolve()) : resolve()))
  process.disconnect()
}

/** Whatever operators ask, or strangers who reach their port: it must not end this process. */
async function answer(
  running: Running,
  question: Question,
): Promise<OpsAnswer | ReloadAnswer | typeof NO_ANSWER> {
  try {
    return question.kind === 'ops' ? await answerOps(running, question) : reload(running, question)
  } catch (err) {
    running.logger.warn({ err }, 'a request of the ops listener cannot be answered')
    return NO_ANSWER
  }
}

async function answerOps(
  { ops }: Running,
  { method, path, headers, body }: OpsRequest,
): Promise<OpsAnswer> {
  // The app looks at paths and fields only.
  const request = new Request(new URL(path, 'http://ops'), {
    ...{ method, headers },
    ...(body !== undefined && { body }),
  })
  const response = await ops.fetch(request)
  return {
    status: response.status,
    headers: [...response.headers],
    body: await response.text(),
  }
}

/** The primary counts it, and puts it into the log. */
function reload({ gateway }: Running, { file, files }: Configuration): ReloadAnswer {
  try {
    const config = parseFiles(file, process.env, new Map(files))
    return { fixed: gateway.reload(config, resolveUpstreams(config)) }
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) }
  }
}

#!/usr/bin/env node
/**
 * The whole flow in a terminal: with the MCP endpoint at `--url`, or with the gateway that runs at the configuration's `publicUrl`, or else with one that is started for it.
 * Whichever it is, a development IdP signs in. Exits 0 where every step was as it must be, and 1 with the reason otherwise.
 */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ConfigError, renderFault } from '../config/error.ts'
import { loadConfig } from '../config/load.ts'
import { isGatewayAt, startGateway } from './demo/gateway.ts'
import { createReport, type Report } from './demo/report.ts'
import { walk } from './demo/walk.ts'

const DEADLINE_MS = 90_000
const DONE = 'Every step was as it must be.\n'

const report = createReport(process.stdout)
const values = readOptions()
// A demo that hangs has failed.
const deadline = setTimeout(() => {
  report.failure(`it took longer than ${DEADLINE_MS / 1000} seconds`)
  process.exit(1)
}, DEADLINE_MS)

try {
  if (values.url === undefined) await demonstrate(report, resolve(values.config))
  else await demonstrateAt(report, values.url, Number(values.instances))
} catch (error) {
  report.failure(describeFailure(error))
  process.exitCode = 1
} finally {
  clearTimeout(deadline)
}

function readOptions() {
  try {
    return parseArgs({
      options: {
        config: { type: 'string', short: 'c', default: 'gateway.config.yaml' },
        url: { type: 'string' },
        instances: { type: 'string', default: '2' },
      },
    }).values
  } catch (error) {
    report.failure(describeFailure(error))
    process.exit(1)
  }
}

/** @param instances how many the backend has */
async function demonstrateAt(report: Report, mcpUrl: string, instances: number): Promise<void> {
  report.title(`The MCP endpoint ${mcpUrl}, step by step`)
  await walk(report, { mcpUrl, instances })
  report.title(DONE)
}

async function demonstrate(report: Report, file: string): Promise<void> {
  const { publicUrl, upstream, backends } = loadConfig(file, process.env)
  const [backend] = backends
  if (upstream?.provider !== 'dev' || !backend)
    throw new Error('it signs in at the embedded IdP, and that is not the upstream')
  const isRunning = await isGatewayAt(publicUrl)
  report.title(
    isRunning
      ? `The gateway that runs at ${publicUrl}, step by step`
      : `A gateway, started for this demo at ${publicUrl}, step by step`,
  )
  const started = isRunning ? undefined : await startGateway(file, publicUrl)
  try {
    const mcpUrl = publicUrl + backend.path
    await walk(report, { mcpUrl, instances: backend.instances.length })
    report.title(DONE)
  } finally {
    await started?.stop()
  }
}

function describeFailure(error: unknown): string {
  if (error instanceof ConfigError) {
    return error.faults.map(fault => renderFault(error.file, fault)).join('\n')
  }
  if (!(error instanceof Error)) return String(error)
  const { message, cause } = error
  return cause instanceof Error ? `${message} (${cause.message})` : message
}

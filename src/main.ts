#!/usr/bin/env node
import { Command } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import { addAdminCommands } from './cli/admin-options.ts'
import { renderFaults, runCheck } from './cli/check.ts'
import { addDoctorCommand } from './cli/doctor-options.ts'
import { ConfigError } from './config/error.ts'
import { loadConfig } from './config/load.ts'
import type { GatewayConfig } from './config/schema.ts'
import { mintKey } from './domain/key-ring.ts'
import { reloadOnChange } from './gateway/reload-on-change.ts'
import { describeRedis } from './gateway/store.ts'
import { openTracing } from './gateway/tracing.ts'
import { resolveUpstreams } from './gateway/upstreams.ts'
import { type Gateway, startGateway } from './gateway.ts'
import { createLogger, type Logger } from './observability/log.ts'
import type { Tracing } from './observability/trace.ts'

const CONFIG_OPTION = ['-c, --config <file>', 'the configuration', 'gateway.config.yaml'] as const
const EXIT_BAD_CONFIGURATION = 2
const EXIT_BUSY_PORT = 1

const program = new Command('mcp-auth-gateway')
  .description(packageJson.description)
  .version(packageJson.version)

program
  .command('start', { isDefault: true })
  .description('serve until SIGTERM or SIGINT; a second signal ends at once')
  .option(...CONFIG_OPTION)
  .action(({ config }: { config: string }) => start(config))

program
  .command('check')
  .description('list every fault of a configuration')
  .option(...CONFIG_OPTION)
  .option('--effective', 'print the configuration with every default, secrets redacted', false)
  .action(({ config, effective }: { config: string; effective: boolean }) => {
    const { env, stdout, stderr } = process
    process.exitCode = runCheck({ file: config, effective, env, stdout, stderr })
  })

program
  .command('keys')
  .description('mint a key for the configuration: 32 random bytes, base64')
  .action(() => {
    process.stdout.write(`${mintKey()}\n`)
  })

addAdminCommands(program, CONFIG_OPTION, loadOrExplain)
addDoctorCommand(program, CONFIG_OPTION, loadOrExplain, config => ({
  // The development IdP is a part of the gateway.
  upstreams: config.upstream?.provider === 'dev' ? [] : resolveUpstreams(config),
  redis: config.redis && describeRedis(config.redis),
}))

await program.parseAsync().catch(explainBusyPort)

async function start(file: string): Promise<void> {
  const config = loadOrExplain(file)
  if (!config) return
  const { upstream } = config
  const tracing = await openTracing(process.env, packageJson.version)
  if (upstream?.provider === 'dev') return startForDevelopment(file, config, upstream, tracing)
  const logger = createLogger(config.log.level, undefined, tracing?.logFields)
  tracing?.tellFaults(logger)
  const parts = tracing && { tracing }
  const gateway = await startGateway(config, resolveUpstreams(config), logger, parts)
  const stop = reloadOnChange({ file, env: process.env, gateway, resolveUpstreams, logger })
  drainOnSignal(gateway, logger, async () => stop())
}

/** The embedded IdP is loaded only here, so that nothing of it is part of a production start. */
async function startForDevelopment(
  file: string,
  config: GatewayConfig,
  { port, sampleBackends }: { port: number; sampleBackends: boolean },
  tracing: Tracing | undefined,
): Promise<void> {
  const { startDevelopment } = await import('./dev/development.ts')
  const { publicUrl, ops, backends, log } = config
  const development = await startDevelopment({
    publicUrl,
    opsUrl: `http://${ops.host}:${ops.port}`,
    logLevel: log.level,
    idpPort: port,
    sampleBackends,
    backends,
    ...(tracing && { logFields: tracing.logFields }),
  })
  const { logger, idp, announce, close } = development
  const upstreams = resolveUpstreams(config, idp)
  tracing?.tellFaults(logger)
  const gateway = await startGateway(config, upstreams, logger, tracing && { tracing })
  const stop = reloadOnChange({
    ...{ file, env: process.env, gateway, logger },
    resolveUpstreams: () => upstreams,
  })
  drainOnSignal(gateway, logger, () => {
    stop()
    return close()
  })
  announce()
}

function loadOrExplain(file: string): GatewayConfig | undefined {
  try {
    return loadConfig(file, process.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(renderFaults(error))
    process.exitCode = EXIT_BAD_CONFIGURATION
    return undefined
  }
}

/** The commonest failure of a start, above all of a second one beside the first, gets one line instead of a stack. */
function explainBusyPort(error: unknown): never {
  if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error
  const { address, port } = { address: 'this computer', port: '?', ...error }
  process.stderr.write(
    `port ${port} of ${address} is in use (EADDRINUSE); is a gateway running already?\n`,
  )
  process.exit(EXIT_BUSY_PORT)
}

function drainOnSignal(gateway: Gateway, logger: Logger, afterwards?: () => Promise<void>): void {
  let isDraining = false
  const onSignal = async (signal: NodeJS.Signals): Promise<void> => {
    if (isDraining) {
      logger.warn({ signal }, 'ending at once')
      logger.flush()
      process.exit(1)
    }
    isDraining = true
    logger.info({ signal }, 'draining')
    await gateway.drain()
    await afterwards?.()
    logger.info('stopped')
    logger.flush()
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}

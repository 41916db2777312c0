#!/usr/bin/env node
import { Command } from 'commander'
import packageJson from '../package.json' with { type: 'json' }
import { addAdminCommands } from './cli/admin-options.ts'
import { renderFaults, runCheck } from './cli/check.ts'
import { outliveReader } from './cli/closed-output.ts'
import { addDoctorCommand } from './cli/doctor-options.ts'
import { describeListenFault } from './cli/listen-fault.ts'
import { refuseStrayArguments } from './cli/stray-arguments.ts'
import { ConfigError } from './config/error.ts'
import { loadConfig } from './config/load.ts'
import type { GatewayConfig } from './config/schema.ts'
import { mintKey } from './domain/key-ring.ts'
import { start } from './gateway/start.ts'
import { StartError } from './gateway/start-error.ts'
import { describeRedis } from './gateway/store.ts'
import { resolveUpstreams } from './gateway/upstreams.ts'
import { WORKER_COMMAND } from './gateway/workers/messages.ts'

const CONFIG_OPTION = ['-c, --config <file>', 'the configuration', 'gateway.config.yaml'] as const
const EXIT_BAD_CONFIGURATION = 2
const EXIT_NO_LISTENER = 1

const program = new Command('mcp-auth-gateway')
  .description(packageJson.description)
  .version(packageJson.version)

refuseStrayArguments(program)
outliveReader(process.stdout)
outliveReader(process.stderr)

program
  .command('start', { isDefault: true })
  .description('serve until SIGTERM or SIGINT; a second signal ends at once')
  .option(...CONFIG_OPTION)
  .action(({ config }: { config: string }) => startFrom(config))

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

program
  .command(WORKER_COMMAND, { hidden: true })
  .argument('<id>')
  .action(async (id: string) => {
    const { runWorker } = await import('./gateway/workers/worker.ts')
    runWorker(Number(id))
  })

addAdminCommands(program, CONFIG_OPTION, file => loadOrExplain(file))
addDoctorCommand(
  program,
  CONFIG_OPTION,
  file => loadOrExplain(file),
  config => ({
    // The development IdP is a part of the gateway.
    upstreams: config.upstream?.provider === 'dev' ? [] : resolveUpstreams(config),
    redis: config.redis && describeRedis(config.redis),
  }),
)

await program.parseAsync().catch(explain)

async function startFrom(file: string): Promise<void> {
  const files = new Map<string, string>()
  const config = loadOrExplain(file, (path, text) => files.set(path, text))
  if (config) await start({ file, config, files })
}

function loadOrExplain(
  file: string,
  onRead?: (path: string, text: string) => void,
): GatewayConfig | undefined {
  try {
    return loadConfig(file, process.env, onRead)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(renderFaults(error))
    process.exitCode = EXIT_BAD_CONFIGURATION
    return undefined
  }
}

/** What people can do something about gets one line instead of a stack. */
function explain(error: unknown): never {
  if (error instanceof StartError) end(error.message, error.exitCode)
  const line = describeListenFault(error)
  if (line === undefined) throw error
  end(line, EXIT_NO_LISTENER)
}

function end(line: string, exitCode: number): never {
  process.stderr.write(`${line}\n`)
  process.exit(exitCode)
}

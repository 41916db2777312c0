import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { unreadableBecause } from '../config/references.ts'
import type { GatewayConfig } from '../config/schema.ts'
import { nameOfUpstream } from '../config/upstreams.ts'
import { withoutEachAddress } from '../config/urls.ts'
import { createLogger } from '../observability/log.ts'
import { type DoctorOptions, runDoctor } from './doctor.ts'

/** How the gateway reaches what is configured. */
export type Reach = (config: GatewayConfig) => Pick<DoctorOptions, 'upstreams' | 'redis'>

type Options = { config: string; tokenFile?: string }

/** How `doctor` is called. @param load explains what is wrong with a configuration, and answers nothing then */
export function addDoctorCommand(
  program: Command,
  configOption: readonly [string, string, string],
  load: (file: string) => GatewayConfig | undefined,
  reach: Reach,
): void {
  program
    .command('doctor')
    .description(
      'look at the identity provider, Redis, the backends and the public URL; changes nothing',
    )
    .option(
      '--token-file <file>',
      'an access token of the identity provider, for backends that want one',
    )
    .option(...configOption)
    .action(async ({ config: file, tokenFile }: Options, command: Command) => {
      const config = load(file)
      if (!config) return
      const token = tokenFile === undefined ? undefined : readToken(tokenFile, command)
      process.exitCode = await examine(config, reach, token)
    })
}

function readToken(file: string, command: Command): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    return command.error(`error: --token-file ${file} cannot be read: ${unreadableBecause(error)}`)
  }
}

function examine(config: GatewayConfig, reach: Reach, token: string | undefined): Promise<0 | 1> {
  const { publicUrl, backends, authorizationServer } = config
  return runDoctor({
    ...{ publicUrl, authorizationServer },
    ...reach(config),
    backends: backends.map(backend => ({
      ...backend,
      instances: backend.instances.map(withoutEachAddress),
      resource: publicUrl + backend.path,
      upstream: nameOfUpstream(backend),
    })),
    token,
    logger: createLogger('silent'),
    now: () => Date.now() / 1000,
    stdout: process.stdout,
  })
}

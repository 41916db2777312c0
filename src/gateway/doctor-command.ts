import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { runDoctor } from '../cli/doctor.ts'
import type { GatewayConfig } from '../config/schema.ts'
import { createLogger } from '../observability/log.ts'
import { describeRedis } from './store.ts'
import { resolveUpstreams } from './upstreams.ts'

/** How `doctor` is called. @param load explains what is wrong with a configuration, and answers nothing then */
export function addDoctorCommand(
  program: Command,
  configOption: readonly [string, string, string],
  load: (file: string) => GatewayConfig | undefined,
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
    .action(async ({ config: file, tokenFile }: { config: string; tokenFile?: string }) => {
      const config = load(file)
      if (config) process.exitCode = await examine(config, tokenFile)
    })
}

function examine(config: GatewayConfig, tokenFile: string | undefined): Promise<0 | 1> {
  const { publicUrl, redis, backends, upstream } = config
  return runDoctor({
    publicUrl,
    // The development IdP is a part of the gateway.
    upstreams: upstream?.provider === 'dev' ? [] : resolveUpstreams(config),
    redis: redis && describeRedis(redis),
    backends: backends.map(({ path, instances }) => ({
      ...{ path, instances },
      resource: publicUrl + path,
    })),
    token: tokenFile === undefined ? undefined : readFileSync(tokenFile, 'utf8').trim(),
    logger: createLogger('silent'),
    now: () => Date.now() / 1000,
    stdout: process.stdout,
  })
}

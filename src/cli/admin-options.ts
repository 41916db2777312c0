import { type Command, Option } from 'commander'
import type { GatewayConfig } from '../config/schema.ts'
import type { Question, Target } from '../http/admin.ts'
import { type AdminCommands, createAdminCommands } from './admin.ts'

type WithConfig = { config: string }
type TargetOptions = WithConfig & {
  grant?: string
  subject?: string
  issuer?: string
  client?: string
  everything?: true
}

const ISSUER = [
  '--issuer <url>',
  'of the subject; default: that of the configured upstream',
] as const

type Surroundings = {
  program: Command
  configOption: readonly [string, string, string]
  commandsFor: (file: string) => AdminCommands | undefined
}

/** How the commands of operators are called. @param load explains what is wrong with a configuration, and answers nothing then */
export function addAdminCommands(
  program: Command,
  configOption: readonly [string, string, string],
  load: (file: string) => GatewayConfig | undefined,
): void {
  const { stdout, stderr } = process
  const commandsFor = (file: string) => {
    const config = load(file)
    return config && createAdminCommands({ ops: config.ops, stdout, stderr })
  }
  const surroundings = { program, configOption, commandsFor }
  addGrantCommands(surroundings)
  addClientCommands(surroundings)
  addQuestions(surroundings)
}

function addGrantCommands({ program, commandsFor, configOption }: Surroundings): void {
  program
    .command('grants')
    .description('list the grants of a user or of a client')
    .addOption(new Option('--subject <sub>', 'of this user').conflicts('client'))
    .option(...ISSUER)
    .option('--client <id>', 'of this client')
    .option(...configOption)
    .action(async ({ config, ...owner }: TargetOptions, command: Command) => {
      if (!owner.subject && !owner.client) command.error('name --subject or --client')
      finish(await commandsFor(config)?.grants(owner))
    })

  program
    .command('revoke')
    .description('end grants: whoever uses them has to sign in again')
    .addOption(only('--grant <id>', 'this one', 'subject', 'client', 'everything'))
    .addOption(only('--subject <sub>', 'all of this user', 'grant', 'client', 'everything'))
    .option(...ISSUER)
    .addOption(only('--client <id>', 'all of this client', 'grant', 'subject', 'everything'))
    .addOption(only('--everything', 'all there are', 'grant', 'subject', 'client'))
    .option(...configOption)
    .action(async (options: TargetOptions, command: Command) => {
      const target = targetOf(options)
      if (target) finish(await commandsFor(options.config)?.revoke(target))
      else command.error('name one of --grant, --subject, --client and --everything')
    })
}

function addClientCommands({ program, commandsFor, configOption }: Surroundings): void {
  program
    .command('deny')
    .description('deny a client and end its grants')
    .requiredOption('--client <id>', 'which one')
    .option(...configOption)
    .action(async ({ config, client }: WithConfig & { client: string }) =>
      finish(await commandsFor(config)?.deny(client)),
    )

  program
    .command('lift')
    .description('let a denied client come again')
    .requiredOption('--client <id>', 'which one')
    .option(...configOption)
    .action(async ({ config, client }: WithConfig & { client: string }) =>
      finish(await commandsFor(config)?.lift(client)),
    )
}

function addQuestions({ program, commandsFor, configOption }: Surroundings): void {
  program
    .command('explain')
    .description('say which rule decides about a call, and why')
    .requiredOption('--subject <sub>', 'of this user')
    .option(...ISSUER)
    .requiredOption('--client <id>', 'by this client')
    .requiredOption('--resource <url>', 'to this MCP endpoint')
    .option('--tool <name>', 'of this tool')
    .option(...configOption)
    .action(async ({ config, ...question }: WithConfig & Question) =>
      finish(await commandsFor(config)?.explain(question)),
    )

  program
    .command('backends')
    .description('show the instances of all backends and how they are')
    .option(...configOption)
    .action(async ({ config }: WithConfig) => finish(await commandsFor(config)?.backends()))
}

/** @param code nothing where the configuration has been complained about */
function finish(code: number | undefined): void {
  if (code !== undefined) process.exitCode = code
}

function only(flags: string, description: string, ...others: string[]): Option {
  return new Option(flags, description).conflicts(others)
}

function targetOf({ grant, subject, issuer, client, everything }: TargetOptions) {
  const target: Target | undefined =
    grant !== undefined
      ? { grant }
      : client !== undefined
        ? { client }
        : subject !== undefined
          ? { subject, issuer }
          : everything && { everything }
  return target
}

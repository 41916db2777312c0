import type { Command } from 'commander'
import { nearest } from '../config/suggest.ts'

/**
 * Refuses words that no command takes. `start` is what runs without a command, so a command that is mistyped would be an argument of it to the
 * parser, which then complains of arguments that nobody has given.
 *
 * To be called before commands are added: they inherit that the parser leaves this to us.
 */
export function refuseStrayArguments(program: Command): void {
  program.allowExcessArguments()
  program.hook('preAction', (_, command) => {
    const stray = command.args[command.registeredArguments.length]
    if (stray === undefined) return
    // `program.args` begins with the command where one was given.
    const isFirst = program.args[0] === stray
    command.error(
      `error: ${isFirst ? unknownCommand(program, stray) : unknownArgument(program, command, stray)}`,
    )
  })
}

function unknownCommand(program: Command, word: string): string {
  const suggestion = nearest(word, namesOf(program))
  const hint = suggestion ? `did you mean ${suggestion}?` : `${program.name()} --help lists them`
  return `unknown command '${word}'; ${hint}`
}

function unknownArgument(program: Command, command: Command, word: string): string {
  if (namesOf(program).includes(word)) return `the command ${word} stands before all options`
  const takesConfig = command.options.some(({ long }) => long === '--config')
  const hint = takesConfig ? '; the configuration is named with --config' : ''
  return `${command.name()} takes no argument '${word}'${hint}`
}

function namesOf(program: Command): string[] {
  const visible = program.createHelp().visibleCommands(program)
  return visible.map(command => command.name())
}

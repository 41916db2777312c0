import { Command, CommanderError } from 'commander'
import { describe, expect, it } from 'vitest'
import { refuseStrayArguments } from '../../src/cli/stray-arguments.ts'

/** @returns which command ran, or what was said instead */
function run(...words: string[]): string {
  let ran = 'nothing'
  const program = new Command('gateway').exitOverride().configureOutput({ writeErr: () => {} })
  refuseStrayArguments(program)
  const act = (name: string) => () => {
    ran = name
  }
  program.command('start', { isDefault: true }).option('--config <file>').action(act('start'))
  program.command('check').option('--config <file>').action(act('check'))
  program.command('keys').action(act('keys'))
  program.command('worker', { hidden: true }).argument('<id>').action(act('worker'))
  try {
    program.parse(words, { from: 'user' })
    return ran
  } catch (error) {
    if (error instanceof CommanderError) return error.message
    throw error
  }
}

describe('a word that no command takes', () => {
  it.each([
    ['start', []],
    ['start', ['--config', 'a.yaml']],
    ['check', ['check', '--config', 'a.yaml']],
    ['worker', ['worker', '1']],
  ])('is none of those of %s %j', (name, words) => {
    expect(run(...words)).toBe(name)
  })

  it.each([
    [['chekc'], "error: unknown command 'chekc'; did you mean check?"],
    [['workers'], "error: unknown command 'workers'; gateway --help lists them"],
    [
      ['check', 'a.yaml'],
      "error: check takes no argument 'a.yaml'; the configuration is named with --config",
    ],
    [['keys', '2'], "error: keys takes no argument '2'"],
    [['worker', '1', '2'], "error: worker takes no argument '2'"],
    [['--config', 'a.yaml', 'check'], 'error: the command check stands before all options'],
  ])('is refused with a hint, and nothing runs: %j', (words, said) => {
    expect(run(...words)).toBe(said)
  })
})

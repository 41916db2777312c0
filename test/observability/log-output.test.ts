import { type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'

const LOG = join(import.meta.dirname, '../../src/observability/log.ts')
const END_WITHIN_MS = 10_000

describe('an output on a full disk', () => {
  it('stops neither the process nor its end', async () => {
    const full = openSync('/dev/full', 'w')
    const { stderr, ended } = run(
      `logger.info('refused')
       setTimeout(() => { logger.info('refused again'); console.error('goes on') }, 100)`,
      ['ignore', full, 'pipe'],
    )
    closeSync(full)
    await expect(text(stderr!)).resolves.toBe('goes on\n')
    await expect(ended).resolves.toBe(0)
  })
})

describe('an output that nobody reads', () => {
  it('is waited for with so many lines, and told how many were dropped', async () => {
    const { stdout, stderr, ended } = run(
      `const filler = 'x'.repeat(1000)
       for (let count = 0; count < 30_000; count += 1) logger.info({ filler })
       console.error('goes on')`,
      ['ignore', 'pipe', 'pipe'],
    )
    await once(stderr!, 'data')
    const lines = (await text(stdout!)).trimEnd().split('\n')
    const { level, dropped } = JSON.parse(lines.at(-1) ?? '')
    expect({ level, all: lines.length - 1 + dropped }).toEqual({ level: 'warn', all: 30_000 })
    expect(lines.join('\n').length).toBeLessThan(17 * 1024 * 1024)
    await expect(ended).resolves.toBe(0)
  })
})

describe('lines that nobody will read', () => {
  it('are counted from the moment on at which the reader has gone', async () => {
    const { stdout, stderr } = run(
      `const log = count => { for (let n = 0; n < count; n += 1) logger.info('to nobody') }
       setTimeout(log, 300, 1)
       setTimeout(log, 600, 3)
       setTimeout(() => console.error(lost.value), 900)`,
      ['ignore', 'pipe', 'pipe'],
    )
    stdout!.destroy()
    await expect(text(stderr!)).resolves.toBe('4\n')
  })

  it('are counted when they are dropped', async () => {
    const { stderr } = run(
      `const filler = 'x'.repeat(1000)
       for (let count = 0; count < 30_000; count += 1) logger.info({ filler })
       console.error(lost.value > 10_000)
       process.exit()`,
      ['ignore', 'pipe', 'pipe'],
    )
    await expect(text(stderr!)).resolves.toBe('true\n')
  })
})

/** A process of its own that logs to its standard output. */
function run(body: string, stdio: SpawnOptions['stdio'] & readonly unknown[]) {
  const program = `import { createLogger } from ${JSON.stringify(LOG)}
    const lost = { value: 0 }
    const logger = createLogger('info', undefined, undefined, lost)
    ${body}`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio,
    timeout: END_WITHIN_MS,
    killSignal: 'SIGKILL',
  })
  return {
    stdout: child.stdout,
    stderr: child.stderr,
    ended: once(child, 'exit').then(([code]) => code as number | null),
  }
}

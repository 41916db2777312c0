import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { stringify } from 'yaml'
import { LOCAL } from '../config/support.ts'
import { findFreePorts } from '../support/free-port.ts'

const ROOT = join(import.meta.dirname, '../..')

async function writeConfig(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const [port, ops, instance] = await findFreePorts(3)
  const file = join(folder, 'gateway.config.yaml')
  const config = {
    ...{ ...LOCAL, publicUrl: `http://localhost:${port}`, ops: { port: ops } },
    backends: [{ path: '/crm/mcp', instances: [`http://127.0.0.1:${instance}/mcp`] }],
  }
  await writeFile(file, stringify(config))
  return file
}

describe('a command whose reader has gone', () => {
  test.each([
    ['keys', [], 0],
    ['check', ['--effective'], 0],
    ['doctor', [], 1],
    ['--help', [], 0],
  ])('%s ends as it would have, and says nothing', async (command, args, code) => {
    const config = command === '--help' || command === 'keys' ? [] : ['-c', await writeConfig()]
    const child = spawn(process.execPath, ['src/main.ts', command, ...args, ...config], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout.destroy()
    const [said, [exitCode]] = await Promise.all([text(child.stderr), once(child, 'close')])
    expect([said, exitCode]).toEqual(['', code])
  })
})

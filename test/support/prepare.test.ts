import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

/** Command and package. */
const NEEDED = [
  ['redis-server', 'redis-server'],
  ['redis-sentinel', 'redis-sentinel'],
  ['chromium', 'chromium'],
  ['promtool', 'prometheus'],
  ['slowhttptest', 'slowhttptest'],
  ['haproxy', 'haproxy'],
  ['nginx', 'nginx-light'],
  ['caddy', 'caddy'],
  ['go', 'golang-go golang-github-masterminds-sprig-dev golang-k8s-sigs-yaml-dev'],
] as const

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'prepare-'))
})

afterEach(() => rmSync(folder, { recursive: true }))

function install(name: string, script = '') {
  writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`)
  chmodSync(join(folder, name), 0o755)
}

function prepare() {
  const script = join(import.meta.dirname, 'prepare.ts')
  const { status, stderr } = spawnSync(process.execPath, [script], { env: { PATH: folder } })
  return { status, output: String(stderr) }
}

describe('preparing the machine for the tests', () => {
  it('is silent where all is there, under any name that it goes by', () => {
    for (const [name] of NEEDED) install(name === 'chromium' ? 'google-chrome' : name)
    expect(prepare()).toEqual({ status: 0, output: '' })
  })

  it.each(NEEDED)(
    'fails and says what to do where %s is missing and cannot be installed',
    (missing, debianPackage) => {
      for (const [name] of NEEDED) if (name !== missing) install(name)
      const { status, output } = prepare()
      expect(status).toBe(1)
      expect(output).toContain(`sudo apt-get install ${debianPackage}\n`)
    },
  )

  it.runIf(process.getuid?.() === 0)('installs only what is missing, as root on Debian', () => {
    for (const [name] of NEEDED) if (name !== 'redis-sentinel') install(name)
    const created = join(folder, 'redis-sentinel')
    install('apt-get', `case "$*" in *install*) : > ${created}; /bin/chmod 755 ${created};; esac`)
    const { status, output } = prepare()
    expect(output).toContain('> apt-get update')
    expect(output).toMatch(/> apt-get install .* redis-sentinel\n/)
    expect(status).toBe(0)
  })

  it.runIf(process.getuid?.() === 0)(
    'leaves no Prometheus running on the port of the gateway',
    () => {
      for (const [name] of NEEDED) if (name !== 'promtool') install(name)
      install(
        'apt-get',
        `: > ${join(folder, 'promtool')}; /bin/chmod 755 ${join(folder, 'promtool')}`,
      )
      install('systemctl')
      const { status, output } = prepare()
      expect(output).toContain('> systemctl disable --now prometheus\n')
      expect(status).toBe(0)
    },
  )

  it.runIf(process.getuid?.() === 0)('fails where apt-get does', () => {
    install('apt-get', 'exit 100')
    const { status, output } = prepare()
    expect(status).toBe(1)
    expect(output).toContain('apt-get could not install them')
  })
})

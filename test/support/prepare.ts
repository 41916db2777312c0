/**
 * Sees to it that the programs which the tests start are there. On a Debian-like machine, as root, it installs what is missing; elsewhere it says what to do.
 * Run by `npm test`.
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** What the tests need: any one of `commands`, and the Debian package that brings it (several, where it is of no use without the others). */
const NEEDS = [
  { commands: ['redis-server'], debianPackage: 'redis-server' },
  { commands: ['redis-sentinel'], debianPackage: 'redis-sentinel' },
  {
    commands: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
    debianPackage: 'chromium',
  },
  { commands: ['promtool'], debianPackage: 'prometheus' },
  { commands: ['slowhttptest'], debianPackage: 'slowhttptest' },
  { commands: ['haproxy'], debianPackage: 'haproxy' },
  { commands: ['nginx'], debianPackage: 'nginx-light' },
  { commands: ['caddy'], debianPackage: 'caddy' },
  {
    commands: ['go'],
    debianPackage: 'golang-go golang-github-masterminds-sprig-dev golang-k8s-sigs-yaml-dev',
  },
]

/** Debian starts them when it installs them, on ports that the gateway or the tests want. */
const SERVICES = ['prometheus', 'haproxy', 'nginx', 'caddy']

const INSTALL_TIMEOUT_MS = 10 * 60_000

prepare()

function prepare(): void {
  const missing = findMissing()
  if (missing.length === 0) return
  const packages = missing.map(need => need.debianPackage)
  if (process.getuid?.() === 0 && isThere('apt-get')) installOrFail(packages)
  else fail(packages, 'They cannot be installed here without you.')
}

function installOrFail(packages: string[]): void {
  print(`The tests need ${packages.join(', ')}: installing with apt-get.`)
  const isDone =
    run('apt-get', ['update', '-qq']) &&
    run('apt-get', ['install', '-qq', '-y', '--no-install-recommends', ...packages.flatMap(names)])
  const missing = findMissing().map(need => need.debianPackage)
  if (!isDone || missing.length > 0) fail(missing, 'apt-get could not install them.')
  const started = SERVICES.filter(service => packages.some(one => one.startsWith(service)))
  if (started.length > 0 && isThere('systemctl')) run('systemctl', ['disable', '--now', ...started])
}

function names(debianPackage: string): string[] {
  return debianPackage.split(' ')
}

function fail(packages: string[], why: string): void {
  print(`The tests need programs that are not on PATH: ${packages.join(', ')}.`)
  print(why)
  print(`On Debian or Ubuntu:  sudo apt-get install ${packages.join(' ')}`)
  print(
    'Elsewhere: install Redis 7 or newer, with its sentinel, Chromium, Prometheus and slowhttptest, and put them on PATH.',
  )
  process.exitCode = 1
}

function findMissing() {
  return NEEDS.filter(({ commands }) => !commands.some(isThere))
}

function isThere(command: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some(folder => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return folder !== ''
    } catch {
      return false
    }
  })
}

/** Nobody is asked anything, so it does the same by hand and in CI. */
function run(command: string, args: string[]): boolean {
  print(`> ${command} ${args.join(' ')}`)
  const { status } = spawnSync(command, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    timeout: INSTALL_TIMEOUT_MS,
  })
  return status === 0
}

function print(line: string): void {
  process.stderr.write(`${line}\n`)
}

import { execFileSync, spawnSync } from 'node:child_process'
import { cpus, totalmem } from 'node:os'
import packageJson from '../../package.json' with { type: 'json' }

const development: Readonly<Record<string, string>> = packageJson.devDependencies

/** What was measured on what. */
export function describeMachine(): string[] {
  const [cpu] = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  return [
    `${new Date().toISOString().slice(0, 10)}, commit ${commit()}`,
    `${cpus().length} × ${cpu?.model ?? 'unknown processor'}, ${memory} GiB, Linux ${output('uname', ['-r'])}`,
    `Node.js ${process.versions.node}, undici ${packageJson.dependencies.undici}`,
    [
      ...[
        firstNumber('nginx', '-v'),
        firstNumber('haproxy', '-v'),
        firstNumber('caddy', 'version'),
      ],
      `fast-proxy ${packageJson.devDependencies['fast-proxy']}`,
      `http-proxy ${packageJson.devDependencies['http-proxy']}`,
      `@fastify/http-proxy ${packageJson.devDependencies['@fastify/http-proxy']}`,
      `hono ${packageJson.dependencies.hono}`,
      `mcp-proxy ${development['mcp-proxy']}`,
    ].join(', '),
  ]
}

function commit(): string {
  return output('git', ['rev-parse', '--short', 'HEAD'])
}

function output(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8' }).trim()
}

function firstNumber(command: string, argument: string): string {
  const { stdout, stderr } = spawnSync(command, [argument], { encoding: 'utf8' })
  return `${command} ${/\d+\.\d+[\d.]*/.exec(`${stdout ?? ''}${stderr ?? ''}`)?.[0] ?? 'missing'}`
}

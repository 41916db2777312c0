import type { Logger } from '../observability/log.ts'
import type { RedisConnectionOptions } from '../store/redis/connection.ts'
import type { BackendCredential } from '../upstream/credential.ts'
import type { UpstreamOptions } from '../upstream/options.ts'
import { examineAudience } from './doctor/audience.ts'
import { type ExaminedServer, examineAuthorizationServer } from './doctor/authorization-server.ts'
import { type ExaminedBackend, examineBackend } from './doctor/backend.ts'
import type { Finding } from './doctor/finding.ts'
import { examinePublicUrl } from './doctor/public-url.ts'
import { examineRedis } from './doctor/redis.ts'
import { examineUpstream } from './doctor/upstream.ts'

export type DoctorOptions = {
  publicUrl: string
  /** Whose tokens open the backends, where they are not the gateway's own. */
  authorizationServer: ExaminedServer | undefined
  upstreams: readonly UpstreamOptions[]
  redis: RedisConnectionOptions | undefined
  backends: readonly (ExaminedBackend & {
    path: string
    credential: BackendCredential
    /** Name of the upstream that signs its users in. */
    upstream: string
  })[]
  /** An access token of the identity provider, to show to backends that want one. */
  token: string | undefined
  logger: Logger
  /** Epoch seconds. */
  now: () => number
  stdout: { write(text: string): unknown }
}

/**
 * The command `doctor`: looks at everything around the gateway, from where it runs, and says what is wrong and how to mend it. Changes nothing; two logins of its own are denied.
 *
 * @returns the exit code: 1 where something fails
 */
export async function runDoctor(options: DoctorOptions): Promise<0 | 1> {
  const { publicUrl, authorizationServer, upstreams, redis } = options
  const { backends, token, logger, now, stdout } = options
  const paths = backends.map(({ path }) => path)
  const sections: [string, Promise<Finding[]>][] = [
    ...examineIssuer(authorizationServer, now),
    ...upstreams.map((upstream): [string, Promise<Finding[]>] => [
      `identity provider ${upstream.name}`,
      examineUpstream(upstream, now, !authorizationServer),
    ]),
    ['store', examineRedis(redis, logger, now)],
    ...backends.map((backend): [string, Promise<Finding[]>] => [
      `backend ${backend.path}`,
      examineTokens(backend, upstreams, token),
    ]),
    ['public URL', examinePublicUrl(publicUrl, paths, now, authorizationServer?.issuer)],
  ]
  const all: Finding[] = []
  for (const [title, examination] of sections) {
    const findings = await examination
    stdout.write(`${title}\n${findings.map(renderFinding).join('')}`)
    all.push(...findings)
  }
  const count = (level: Finding['level']) => all.filter(finding => finding.level === level).length
  stdout.write(`${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} to mend\n`)
  return count('fail') > 0 ? 1 : 0
}

async function examineTokens(
  backend: DoctorOptions['backends'][number],
  upstreams: readonly UpstreamOptions[],
  token: string | undefined,
): Promise<Finding[]> {
  const upstream = upstreams.find(({ name }) => name === backend.upstream)
  return [
    ...(await examineBackend(backend, token)),
    ...examineAudience(backend.credential, upstream, token),
  ]
}

function examineIssuer(
  server: ExaminedServer | undefined,
  now: () => number,
): [string, Promise<Finding[]>][] {
  return server ? [['authorization server', examineAuthorizationServer(server, now)]] : []
}

function renderFinding({ level, what, fix }: Finding): string {
  const advice = fix === undefined ? '' : `        fix: ${fix}\n`
  return `  ${level.padEnd(4)}  ${what}\n${advice}`
}

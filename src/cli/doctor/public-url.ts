import { connect } from 'node:tls'
import * as z from 'zod'
import { reasonOf } from '../../observability/reason.ts'
import { examineCookies } from './cookies.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

const TIMEOUT_MS = 10_000
const DAY_SECONDS = 24 * 60 * 60
const EXPIRY_WARN_DAYS = 14

const serverMetadata = z.object({ issuer: z.string() })
const resourceMetadata = z.object({
  resource: z.string(),
  authorization_servers: z.array(z.string()),
})

/**
 * Looks at the gateway from outside, as a client does: what answers at `publicUrl`, and with which certificate.
 *
 * @param now epoch seconds
 * @param external the issuer of the tokens that open the backends, where that is not the gateway
 */
export async function examinePublicUrl(
  publicUrl: string,
  paths: readonly string[],
  now: () => number,
  external?: string,
): Promise<Finding[]> {
  const { protocol, hostname, port } = new URL(publicUrl)
  const certificate =
    protocol === 'https:' ? [await examineCertificate(hostname, Number(port || 443), now)] : []
  const server = external === undefined ? [await examineServer(publicUrl)] : []
  if (server.some(({ level }) => level === 'fail')) return [...certificate, ...server]
  const issuer = external ?? publicUrl
  const resources = await Promise.all(paths.map(path => examineResource(publicUrl, path, issuer)))
  const [path] = paths
  const isOwn = external === undefined && path !== undefined
  const cookies = isOwn ? await examineCookies(publicUrl, publicUrl + path) : []
  return [...certificate, ...server, ...resources, ...cookies]
}

async function examineServer(publicUrl: string): Promise<Finding> {
  const url = `${publicUrl}/.well-known/oauth-authorization-server`
  try {
    const { issuer } = serverMetadata.parse(await fetchJson(url))
    return issuer === publicUrl
      ? ok(`${publicUrl} is reached from here, and is a gateway with this issuer`)
      : fail(
          `${url} names the issuer ${issuer}`,
          'set publicUrl to what clients use, the same on all replicas',
        )
  } catch (error) {
    return fail(
      `${url}: ${reasonOf(error)}`,
      'start the gateway; check DNS, and that the load balancer passes every path of this host on',
    )
  }
}

async function examineResource(publicUrl: string, path: string, issuer: string): Promise<Finding> {
  const url = `${publicUrl}/.well-known/oauth-protected-resource${path}`
  try {
    const metadata = resourceMetadata.parse(await fetchJson(url))
    const isRight =
      metadata.resource === publicUrl + path && metadata.authorization_servers.includes(issuer)
    return isRight
      ? ok(`${publicUrl}${path}: metadata as configured`)
      : fail(
          `${url} describes ${metadata.resource}`,
          'restart or reload the gateway that answers there',
        )
  } catch (error) {
    return fail(`${url}: ${reasonOf(error)}`, 'restart or reload the gateway that answers there')
  }
}

async function fetchJson(url: string): Promise<unknown> {
  const response = await fetch(url, {
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  if (!response.ok) throw new Error(`status ${response.status}`)
  return response.json()
}

/** The chain as this machine judges it, which is about what clients do; an intermediate that the server does not send is the commonest fault. */
function examineCertificate(hostname: string, port: number, now: () => number): Promise<Finding> {
  return new Promise(resolve => {
    const socket = connect({ host: hostname, port, servername: hostname, timeout: TIMEOUT_MS })
    const finish = (finding: Finding): void => {
      socket.destroy()
      resolve(finding)
    }
    socket.once('secureConnect', () =>
      finish(judgeExpiry(hostname, socket.getPeerCertificate().valid_to, now())),
    )
    socket.once('timeout', () => finish(unreachable(hostname, 'no answer in time')))
    socket.once('error', error => finish(unreachable(hostname, reasonOf(error))))
  })
}

function unreachable(hostname: string, reason: string): Finding {
  return fail(
    `TLS to ${hostname}: ${reason}`,
    'the server must send its certificate with all intermediates, for this name; clients accept nothing less',
  )
}

/** @param now epoch seconds */
export function judgeExpiry(hostname: string, validTo: string, now: number): Finding {
  const days = Math.floor((Date.parse(validTo) / 1000 - now) / DAY_SECONDS)
  const what = `the certificate of ${hostname} is trusted here, and ends in ${days} days`
  return days > EXPIRY_WARN_DAYS ? ok(what) : warn(what, 'renew it')
}

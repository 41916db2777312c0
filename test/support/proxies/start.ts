/** Starts the sample configurations of `deploy/proxies` as they are, but for addresses, ports and the place of the certificate. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { type Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findFreePorts } from '../free-port.ts'
import { type RunningProcess, runProcess } from '../running-process.ts'
import { type Certificate, createSelfSigned } from '../self-signed.ts'
import { waitFor } from '../wait-for.ts'
import { type Replica, startReplica } from './replica.ts'

export type ProxyName = 'nginx' | 'haproxy' | 'caddy'

export type RunningProxy = {
  port: number
  /** Two. */
  replicas: Replica[]
  certificate: Certificate
  logs(): string
  close(): Promise<void>
}

type Place = { folder: string; port: number }
type Recipe = {
  file: string
  command: (file: string) => [string, ...string[]]
  /** What has to differ on this computer, each of which must be in the file. */
  changes: (place: Place) => readonly (readonly [string, string])[]
}

const HOST = 'mcp.example.com'
const FOLDER = join(import.meta.dirname, '../../../deploy/proxies')
const ADDRESSES = ['127.0.0.1', '127.0.0.2']

const RECIPES: Record<ProxyName, Recipe> = {
  nginx: {
    file: 'nginx.conf',
    command: file => ['nginx', '-c', file, '-e', 'stderr', '-g', 'daemon off;'],
    changes: ({ folder, port }) => [
      ['listen 443', `listen 127.0.0.1:${port}`],
      ['/run/nginx.pid', join(folder, 'pid')],
      ['/dev/stdout', join(folder, 'access.log')],
      ['/etc/nginx/mcp.example.com.crt', join(folder, 'crt')],
      ['/etc/nginx/mcp.example.com.key', join(folder, 'key')],
      [
        'http {',
        `http {${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
          .map(name => `${name}_temp_path ${join(folder, name)};`)
          .join('')}`,
      ],
    ],
  },
  haproxy: {
    file: 'haproxy.cfg',
    command: file => ['haproxy', '-db', '-f', file],
    changes: ({ folder, port }) => [
      ['bind :443', `bind 127.0.0.1:${port}`],
      ['/etc/haproxy/mcp.example.com.pem', join(folder, 'pem')],
    ],
  },
  caddy: {
    file: 'Caddyfile',
    command: file => ['caddy', 'run', '--config', file, '--adapter', 'caddyfile'],
    changes: ({ folder, port }) => [
      ['{\n\tservers', '{\n\tadmin off\n\tauto_https disable_redirects\n\tservers'],
      [
        `${HOST} {`,
        `https://${HOST}:${port} {\n\tbind 127.0.0.1\n\ttls ${folder}/crt ${folder}/key`,
      ],
    ],
  },
}

/** @throws Error with its output where it does not come up */
export async function startProxy(name: ProxyName): Promise<RunningProxy> {
  const folder = await mkdtemp(join(tmpdir(), `mcp-auth-gateway-${name}-`))
  const [port = 0, replicaPort = 0, opsPort = 0] = await findFreePorts(3)
  const certificate = createSelfSigned([HOST])
  await writeFile(join(folder, 'crt'), certificate.cert)
  await writeFile(join(folder, 'key'), certificate.key)
  await writeFile(join(folder, 'pem'), certificate.cert + certificate.key)
  const { file, command, changes } = RECIPES[name]
  const written = await readFile(join(FOLDER, file), 'utf8')
  const changed = changes({ folder, port }).reduce(replaceOnce, written)
  await writeFile(join(folder, file), withReplicas(changed, replicaPort, opsPort))
  const ports = { port: replicaPort, opsPort }
  const replicas = await Promise.all(ADDRESSES.map(address => startReplica(address, ports)))
  const env = { PATH: `${process.env.PATH}:/usr/sbin`, HOME: folder }
  const running = runProcess(command(join(folder, file)), { env })
  const close = async (): Promise<void> => {
    await running.stop()
    await Promise.all(replicas.map(replica => replica.close()))
    await rm(folder, { recursive: true, force: true })
  }
  const proxy = { port, replicas, certificate, logs: running.logs, close }
  try {
    await waitFor(() => isServing(proxy, running), { what: name, timeoutMs: 20_000 })
  } catch (cause) {
    await close()
    throw new Error(running.logs(), { cause })
  }
  for (const replica of replicas) replica.seen.length = 0
  return proxy
}

function replaceOnce(text: string, [from, to]: readonly [string, string]): string {
  if (text.split(from).length !== 2) throw new Error(`not exactly once in the file: ${from}`)
  return text.replace(from, () => to)
}

function withReplicas(text: string, port: number, opsPort: number): string {
  return text
    .replaceAll(/\bgateway-([12]):8080\b/g, (_, which) => `${ADDRESSES[which - 1]}:${port}`)
    .replaceAll(/\b9090\b/g, `${opsPort}`)
}

async function isServing(proxy: RunningProxy, running: RunningProcess): Promise<boolean> {
  if (running.hasExited()) throw new Error('it has ended')
  for (const _ of ADDRESSES) await ask(proxy)
  return proxy.replicas.every(replica => replica.seen.length > 0)
}

export type Answer = {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
}

export type AskOptions = {
  method?: string
  headers?: Record<string, string>
  /** Default: a connection of its own. */
  agent?: Agent
}

/** Sends a request with a body. @throws the connection's error */
export async function ask(
  proxy: Pick<RunningProxy, 'port' | 'certificate'>,
  options: AskOptions = {},
): Promise<Answer> {
  const { response, chunks } = await begin(proxy, options)
  if (response.statusCode === undefined) throw new Error('no status')
  return { status: response.statusCode, headers: response.headers, text: await readAll(chunks) }
}

export async function readAll(chunks: AsyncIterable<string>): Promise<string> {
  let text = ''
  for await (const chunk of chunks) text += chunk
  return text
}

/** The same without waiting for the end. */
export async function begin(
  { port, certificate }: Pick<RunningProxy, 'port' | 'certificate'>,
  { method = 'POST', headers = {}, agent }: AskOptions = {},
) {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const outgoing = request({
    ...{ host: '127.0.0.1', port, servername: HOST, ca: certificate.cert, agent: agent ?? false },
    ...{ method, path: '/crm/mcp', headers: { host: HOST, ...headers } },
  })
  outgoing.on('response', resolve).on('error', reject)
  outgoing.end(method === 'POST' ? '{"jsonrpc":"2.0"}' : undefined)
  const response = await promise
  response.setEncoding('utf8')
  const chunks = response[Symbol.asyncIterator]() as NodeJS.AsyncIterator<string>
  return {
    response,
    chunks: { [Symbol.asyncIterator]: () => chunks },
    leave: () => outgoing.destroy(),
  }
}

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findFreePort } from '../support/free-port.ts'
import { type BenchGatewayOptions, startBenchGateway } from './gateway.ts'
import { startNginx } from './nginx.ts'
import { isInstalled, startBound } from './process.ts'

/** Something that stands between the load and the backend, and what it costs. */
export type Contender = {
  name: string
  /** What it does on the way. */
  does: string
  url: string
  headers: Readonly<Record<string, string>>
  pids: readonly number[]
  stop(): Promise<void>
}

export type Surroundings = {
  folder: string
  /** Origin of the backend. */
  backend: string
  /** Processor of the contenders. */
  cpu: string
  /** Another checkout, whose gateway is to be compared with this one's. */
  against?: string | undefined
}

type Start = (surroundings: Surroundings) => Promise<Contender>

const TOKEN = 'a-bearer-token-that-nobody-looks-at'.padEnd(300, 'x')

/** Everybody that is installed here, the ceilings first. */
export function listContenders(against: string | undefined): Record<string, Start> {
  const all: Record<string, [Start, isHere: boolean]> = {
    direct: [startDirect, true],
    nginx: [startNginxProxy, isInstalled('nginx')],
    haproxy: [startHaproxy, isInstalled('haproxy')],
    caddy: [startCaddy, isInstalled('caddy')],
    gateway: [startGatewayContender, true],
    'gateway (against)': [startOtherGateway, against !== undefined],
    'fast-proxy': [nodePeer('fast-proxy'), true],
    'http-proxy': [nodePeer('http-proxy'), true],
    'fastify-http-proxy': [nodePeer('fastify-http-proxy'), true],
    'hono-proxy': [nodePeer('hono-proxy'), true],
  }
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, [start, isHere]]) => (isHere ? [[name, start]] : [])),
  )
}

/** With floors that can pass on nothing else: what a proxy costs before it has looked at a call, with Node's HTTP server and without. */
export function listCallContenders(against: string | undefined): Record<string, Start> {
  const does = 'no authentication, no checks, nothing but one answer'
  return {
    ...listContenders(against),
    'bare-node': nodePeer('bare-node', does),
    'bare-net': nodePeer('bare-net', `${does}, no HTTP parser`),
  }
}

/** Those that can stand before a backend that wants to be initialised: what speaks MCP, and for comparison what passes it on. */
const BEFORE_MCP = ['direct', 'nginx', 'gateway', 'gateway (against)', 'fast-proxy']

export function listMcpContenders(against: string | undefined): Record<string, Start> {
  const others = Object.entries(listContenders(against))
  return {
    ...Object.fromEntries(others.filter(([name]) => BEFORE_MCP.includes(name))),
    'mcp-proxy': nodePeer('mcp-proxy', 'no authentication; reads and writes MCP anew'),
  }
}

const startDirect: Start = async ({ backend }) => ({
  ...{ name: 'direct', does: 'the backend itself', url: `${backend}/mcp` },
  ...{ headers: bearer(TOKEN), pids: [], stop: async () => undefined },
})

const startNginxProxy: Start = async ({ folder, backend, cpu }) => {
  const port = await findFreePort()
  const blocks = `
  upstream backend { server ${new URL(backend).host}; keepalive 128; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }`
  const { pid, stop } = await startNginx(folder, cpu, port, blocks)
  return unauthenticated('nginx', port, pid, stop)
}

const startHaproxy: Start = async ({ folder, backend, cpu }) => {
  const port = await findFreePort()
  const file = join(folder, 'haproxy.cfg')
  const { host } = new URL(backend)
  await writeFile(
    file,
    `global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen all
  bind 127.0.0.1:${port}
  http-reuse always
  server backend ${host}
`,
  )
  const { pid, stop } = await startBound(cpu, port, 'haproxy', ['-db', '-f', file])
  return unauthenticated('haproxy', port, pid, stop)
}

const startCaddy: Start = async ({ folder, backend, cpu }) => {
  const port = await findFreePort()
  const file = join(folder, 'Caddyfile')
  const options = '{\n  admin off\n  auto_https off\n  log {\n    output discard\n  }\n}\n'
  await writeFile(file, `${options}http://127.0.0.1:${port} {\n  reverse_proxy ${backend}\n}\n`)
  const { pid, stop } = await startBound(cpu, port, 'caddy', [
    'run',
    ...['--config', file, '--adapter', 'caddyfile'],
  ])
  return unauthenticated('caddy', port, pid, stop)
}

function nodePeer(name: string, does?: string): Start {
  return async ({ backend, cpu }) => {
    const port = await findFreePort()
    const script = join(import.meta.dirname, 'peers', `${name}.js`)
    const { pid, stop } = await startBound(cpu, port, process.execPath, [
      script,
      `${port}`,
      backend,
    ])
    return { ...unauthenticated(name, port, pid, stop), ...(does !== undefined && { does }) }
  }
}

const startGatewayContender: Start = ({ backend, cpu }) =>
  startGatewayOf('gateway', { instance: `${backend}/mcp`, cpu })

const startOtherGateway: Start = ({ backend, cpu, against = '.' }) =>
  startGatewayOf('gateway (against)', { instance: `${backend}/mcp`, cpu, root: against })

async function startGatewayOf(name: string, options: BenchGatewayOptions): Promise<Contender> {
  const { url, accessTokens, pid, stop } = await startBenchGateway(options)
  const does = 'access token, grant, upstream token; state in Redis'
  return { name, does, url, headers: bearer(accessTokens[0]), pids: [pid], stop }
}

function unauthenticated(
  name: string,
  port: number,
  pid: number,
  stop: () => Promise<void>,
): Contender {
  const url = `http://127.0.0.1:${port}/mcp`
  return { name, does: 'no authentication', url, headers: bearer(TOKEN), pids: [pid], stop }
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` }
}

import { createServer } from 'node:http'
import { Writable } from 'node:stream'
import { onTestFinished } from 'vitest'
import { stringify } from 'yaml'
import { parseConfig } from '../../../src/config/parse.ts'
import { listen } from '../../../src/dev/listen.ts'
import { mintKey } from '../../../src/domain/key-ring.ts'
import { resolveUpstreams } from '../../../src/gateway/upstreams.ts'
import { startGateway } from '../../../src/gateway.ts'
import { createLogger } from '../../../src/observability/log.ts'
import { createMemoryStore } from '../../../src/store/memory.ts'
import type { Store } from '../../../src/store/port.ts'
import { findFreePorts } from '../free-port.ts'
import { startRoundRobin } from '../round-robin.ts'

export type Replicas = {
  /** Strict round-robin over the replicas: each request goes to another one. */
  origin: string
  /** The MCP endpoint. */
  resource: string
  /** Where operators reach one of them. */
  opsOrigin: string
  callbackUrl: string
  store: Store
  /** `Authorization` of every request that came to the backend. */
  backendTokens: string[]
  /** Lets time pass for the gateway, and for nobody else. */
  advance(seconds: number): void
  /** Everything that was logged. */
  log(): string
  /** What all replicas have counted, one after the other. */
  metrics(): Promise<string>
}

export type ReplicasOptions = {
  /** `upstream` of the configuration. */
  upstream?: (callbackUrl: string) => Promise<Record<string, unknown>> | Record<string, unknown>
  /** Further keys of the configuration, or others. @param backendUrl where the backend's MCP endpoint is */
  more?: (callbackUrl: string, backendUrl: string) => Promise<Record<string, unknown>>
  /** How the backend answers. Default: 200, whatever comes. */
  answer?: (authorization: string) => { status: number; headers?: Record<string, string> }
  send?: typeof fetch
  count?: number
}

/**
 * Starts whole gateways in this process, two unless told otherwise, on one store, in front of one backend. They end with the test.
 */
export async function startReplicas(options: ReplicasOptions): Promise<Replicas> {
  const { count = 2, send } = options
  let passed = 0
  const store = createMemoryStore({ now: () => Date.now() / 1000 + passed })
  const backendTokens: string[] = []
  const backend = createServer((request, response) => {
    const authorization = request.headers.authorization ?? ''
    backendTokens.push(authorization)
    const { status, headers } = options.answer?.(authorization) ?? { status: 200 }
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end('{}')
  })
  const { origin: backendOrigin, close } = await listen(backend, 0, '127.0.0.1')
  onTestFinished(close)
  const ports = await findFreePorts(count * 2)
  const front = await startRoundRobin(ports.slice(0, count).map(port => `http://127.0.0.1:${port}`))
  onTestFinished(front.close)
  const callbackUrl = `${front.origin}/callback`
  const shared = {
    publicUrl: front.origin,
    keys: [mintKey()],
    ...(options.upstream && { upstream: await options.upstream(callbackUrl) }),
    backends: [{ path: '/crm/mcp', instances: [`${backendOrigin}/mcp`] }],
    limits: { headers: '64KiB' },
    drain: { deadline: '1s' },
    rateLimits: { register: 'off', authorize: 'off', token: 'off' },
    ...(await options.more?.(callbackUrl, `${backendOrigin}/mcp`)),
  }
  const { logger, log } = createMemoryLog()
  const opsPorts = ports.slice(count)
  for (const [index, port] of ports.slice(0, count).entries()) {
    const listen = { host: '127.0.0.1', port }
    const ops = { host: '127.0.0.1', port: ports[count + index] }
    const config = parseConfig(stringify({ ...shared, listen, ops }), {
      file: 'gateway.config.yaml',
      env: {},
      readFile: () => '',
    })
    const gateway = await startGateway(config, resolveUpstreams(config), logger, {
      store,
      ...(send && { send }),
    })
    onTestFinished(gateway.drain)
  }
  return {
    origin: front.origin,
    resource: `${front.origin}/crm/mcp`,
    opsOrigin: `http://127.0.0.1:${opsPorts[0]}`,
    callbackUrl,
    store,
    backendTokens,
    advance: seconds => {
      passed += seconds
    },
    log,
    metrics: async () => {
      const answers = opsPorts.map(port => fetch(`http://127.0.0.1:${port}/metrics`))
      const texts = (await Promise.all(answers)).map(answer => answer.text())
      return (await Promise.all(texts)).join('')
    },
  }
}

function createMemoryLog() {
  const lines: string[] = []
  const sink = new Writable({
    write: (chunk, _encoding, done) => {
      lines.push(String(chunk))
      done()
    },
  })
  return { logger: createLogger('debug', sink), log: () => lines.join('') }
}

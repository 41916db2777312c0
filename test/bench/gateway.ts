import { createHash, randomBytes } from 'node:crypto'
import { mintKey } from '../../src/domain/key-ring.ts'
import { createSecret } from '../../src/domain/secret.ts'
import { createBrowserAgent } from '../support/browser-agent.ts'
import { findFreePort, findFreePorts } from '../support/free-port.ts'
import { type GatewayProcess, startGateway } from '../support/gateway-process.ts'
import { startOidcProvider } from '../support/oidc-provider.ts'
import { bindTo, startBound } from './process.ts'

export type BenchGatewayOptions = {
  /** The MCP endpoint of the backend. */
  instance: string
  /** Processor that it is bound to. */
  cpu: string
  /** How many sign in; each gets a grant of its own. */
  grants?: number
  /** Life of the upstream's access tokens. */
  upstreamSeconds?: number
  /** Whether the gateway keeps what the backend lists. */
  keepsLists?: boolean
  /** Another checkout, to be compared with. */
  root?: string
  workers?: number
}

export type BenchGateway = {
  url: string
  /** Origin of its listener for operators. */
  opsUrl: string
  /** One for each grant. */
  accessTokens: readonly [string, ...string[]]
  pid: number
  redisPort: number
  /** How many refreshes the IdP has been asked for. */
  countRefreshes(): number
  stop(): Promise<void>
}

/** What everybody who signs in here may do, so that it is looked at and nothing is refused. */
const POLICY = {
  required: ['mcp'],
  tools: { echo: { scopes: ['mcp'] } },
  allow: { any: [{ emailDomain: 'example.com' }] },
}

const REDIRECT_URI = 'http://127.0.0.1/callback'

/** Starts a gateway as in production (state in Redis, an IdP of its own, logs at `info`) and signs clients in. */
export async function startBenchGateway(options: BenchGatewayOptions): Promise<BenchGateway> {
  const { instance, cpu, grants = 1, upstreamSeconds = 3600, root, keepsLists, workers } = options
  const [port = 0, opsPort = 0] = await findFreePorts(2)
  const publicUrl = `http://127.0.0.1:${port}`
  const redisPort = await findFreePort()
  const redis = await startBound('0,1', redisPort, 'redis-server', [
    '--port',
    `${redisPort}`,
    '--save',
    '',
  ])
  const idp = await startOidcProvider({
    redirectUris: [`${publicUrl}/callback`],
    accessTokenTtlSeconds: upstreamSeconds,
  })
  const gateway = await startGateway({
    env: { NODE_ENV: 'production' },
    ...(root !== undefined && { root }),
    config: {
      publicUrl,
      listen: { host: '127.0.0.1', port },
      ops: { host: '127.0.0.1', port: opsPort },
      keys: [mintKey()],
      redis: { url: `redis://127.0.0.1:${redisPort}` },
      upstream: {
        provider: 'oidc',
        issuer: idp.issuer,
        clientId: idp.clientId,
        clientSecret: idp.clientSecret,
      },
      backends: [
        {
          ...{ path: '/mcp', name: 'bench', instances: [instance], ...POLICY },
          ...(keepsLists && { cache: { lists: true } }),
        },
      ],
      lifetimes: { accessToken: '1h' },
      // A checkout that is compared with may not know it.
      ...(workers !== undefined && { workers }),
      limits: { inFlight: 5000, inFlightPerSubject: 5000, streamsPerSubject: 5000 },
      // All of the load comes from one address. Another checkout may not know the section.
      ...(root === undefined && {
        rateLimits: { register: 'off', authorize: 'off', token: 'off' },
      }),
    },
  })
  const first = await signIn(publicUrl)
  const others: string[] = []
  while (others.length < grants - 1) others.push(await signIn(publicUrl))
  bindTo(cpu, gateway.pid)
  return {
    url: `${publicUrl}/mcp`,
    opsUrl: `http://127.0.0.1:${opsPort}`,
    accessTokens: [first, ...others],
    pid: gateway.pid,
    redisPort,
    countRefreshes: () => idp.counts.refresh.requests,
    stop: () => stopAll(gateway, idp.close, redis.stop),
  }
}

async function stopAll(gateway: GatewayProcess, ...others: (() => Promise<void>)[]): Promise<void> {
  await gateway.stop()
  await Promise.all(others.map(stop => stop()))
}

/** What a client does: register, authorize, redeem. */
async function signIn(publicUrl: string): Promise<string> {
  const registered = await post(`${publicUrl}/register`, 'application/json', {
    client_name: 'benchmark',
    redirect_uris: [REDIRECT_URI],
    token_endpoint_auth_method: 'none',
  })
  const verifier = randomBytes(32).toString('base64url')
  const request = new URLSearchParams({
    response_type: 'code',
    client_id: registered.client_id ?? '',
    redirect_uri: REDIRECT_URI,
    state: createSecret(),
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })
  const agent = createBrowserAgent({ stopAt: REDIRECT_URI })
  const consent = await agent.open(`${publicUrl}/authorize?${request}`)
  const landed = await agent.submit(consent, { button: 'approve' })
  const issued = await post(`${publicUrl}/token`, 'application/x-www-form-urlencoded', {
    grant_type: 'authorization_code',
    code: new URL(landed.url).searchParams.get('code') ?? '',
    client_id: registered.client_id ?? '',
    redirect_uri: REDIRECT_URI,
    code_verifier: verifier,
  })
  if (!issued.access_token) throw new Error('no access token was issued')
  return issued.access_token
}

async function post(
  url: string,
  type: string,
  body: Record<string, unknown>,
): Promise<Record<string, string>> {
  const isJson = type === 'application/json'
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': type },
    body: isJson ? JSON.stringify(body) : new URLSearchParams(body as Record<string, string>),
  })
  return (await response.json()) as Record<string, string>
}

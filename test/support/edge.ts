import { type Session, signIn } from '../fault/client.ts'
import { findFreePorts } from './free-port.ts'
import { type GatewayProcess, startGateway } from './gateway-process.ts'
import { type OidcProvider, startOidcProvider } from './oidc-provider.ts'

/** One gateway process with its state in memory, reached without anything in front of it. */
export type Edge = {
  gateway: GatewayProcess
  idp: OidcProvider
  /** Of the public listener. */
  port: number
  /** Signs a user in. */
  signIn(): Promise<Session>
  close(): Promise<void>
}

/**
 * @param instances of the backend at `/crm/mcp`
 * @param config laid over the configuration
 */
export async function startEdge(
  instances: readonly string[],
  config: Record<string, unknown> = {},
): Promise<Edge> {
  const [port = 0, opsPort = 0] = await findFreePorts(2)
  const origin = `http://127.0.0.1:${port}`
  const idp = await startOidcProvider({
    redirectUris: [`${origin}/callback`],
    accessTokenTtlSeconds: 3600,
  })
  const { issuer, clientId, clientSecret } = idp
  const starting = startGateway({
    config: {
      publicUrl: origin,
      listen: { host: '127.0.0.1', port },
      ops: { host: '127.0.0.1', port: opsPort },
      upstream: { provider: 'oidc', issuer, clientId, clientSecret },
      backends: [{ path: '/crm/mcp', instances }],
      ...config,
    },
  })
  const gateway = await starting.catch(async error => {
    await idp.close()
    throw error
  })
  return {
    ...{ gateway, idp, port },
    signIn: () => signIn({ front: { origin } }),
    close: async () => {
      await gateway.kill()
      await idp.close()
    },
  }
}

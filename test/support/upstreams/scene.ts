import { onTestFinished } from 'vitest'
import type { Grant } from '../../../src/domain/grant.ts'
import { type Entra, startEntra, TENANT } from './entra.ts'
import { createMcpUser, type McpUser } from './mcp-user.ts'
import { type OidcVendor, startOidcVendor, type VendorProfile } from './oidc-vendor.ts'
import { type Replicas, type ReplicasOptions, startReplicas } from './replicas.ts'
import type { VendorServer } from './vendor-server.ts'

/** A vendor, the gateways in front of it, and somebody who uses them. */
export type Scene<Vendor = VendorServer> = { vendor: Vendor; replicas: Replicas; user: McpUser }

type StageOptions = Pick<ReplicasOptions, 'count' | 'more' | 'answer'>

/** Starts it all; it ends with the test. */
export async function stage<Vendor extends VendorServer>(
  start: (redirectUri: string) => Promise<Vendor>,
  upstream: (vendor: Vendor) => Record<string, unknown>,
  options: StageOptions = {},
): Promise<Scene<Vendor>> {
  let vendor: Vendor | undefined
  const replicas = await startReplicas({
    ...options,
    upstream: async callbackUrl => {
      vendor = await start(callbackUrl)
      onTestFinished(vendor.close)
      return upstream(vendor)
    },
    send: (url, init) => vendor!.send(url, init),
  })
  const user = await createMcpUser(replicas, url => vendor!.reroute(url))
  return { vendor: vendor!, replicas, user }
}

/** In front of an OpenID provider with a vendor's peculiarities. */
export function stageOidc(
  profile: VendorProfile,
  upstream: (vendor: OidcVendor) => Record<string, unknown>,
  options: StageOptions = {},
): Promise<Scene<OidcVendor>> {
  return stage(
    redirectUri => startOidcVendor(profile, { redirectUri }),
    vendor => ({
      clientId: vendor.clientId,
      clientSecret: vendor.clientSecret,
      ...upstream(vendor),
    }),
    options,
  )
}

/** In front of Entra, for its one tenant unless told otherwise. */
export function stageEntra(
  upstream: (vendor: Entra) => Record<string, unknown> = () => ({}),
  options: StageOptions = {},
): Promise<Scene<Entra>> {
  return stage(
    startEntra,
    vendor => ({
      provider: 'entra',
      tenant: TENANT,
      clientId: vendor.client.clientId,
      clientSecret: vendor.client.clientSecret,
      scopes: ['mcp.access'],
      ...upstream(vendor),
    }),
    options,
  )
}

/** What the store holds of the grant of a refresh token of ours. */
export async function findGrant({ store }: Replicas, refreshToken: string): Promise<Grant> {
  const [, grantId = ''] = /^rt_([\w-]{22})\./.exec(refreshToken) ?? []
  const grant = await store.grants.find(grantId)
  if (!grant) throw new Error('there is no such grant')
  return grant
}

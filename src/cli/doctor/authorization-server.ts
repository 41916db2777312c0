import * as z from 'zod'
import {
  authorizationServerMetadataUrlOf,
  openIdMetadataUrlOf,
} from '../../authorization-server/assertions/issuer-metadata.ts'
import { parsePublicKeys } from '../../domain/public-keys.ts'
import { reasonOf } from '../../observability/reason.ts'
import { type Finding, fail, ok, warn } from './finding.ts'
import { judgeSkew } from './upstream.ts'

export type ExaminedServer = {
  issuer: string
  jwksUri?: string
  introspection?: { endpoint?: string }
}

const TIMEOUT_MS = 10_000

const metadataSchema = z.looseObject({
  issuer: z.string(),
  jwks_uri: z.string().optional(),
  introspection_endpoint: z.string().optional(),
  registration_endpoint: z.string().optional(),
  client_id_metadata_document_supported: z.boolean().optional(),
  code_challenge_methods_supported: z.array(z.string()).optional(),
})

type Metadata = z.infer<typeof metadataSchema>

/** Looks at the authorization server whose tokens clients bring: by its metadata, as the gateway does, and as clients will. Sends no token and no secret. */
export async function examineAuthorizationServer(
  server: ExaminedServer,
  now: () => number,
): Promise<Finding[]> {
  try {
    const { metadata, date } = await findMetadata(server.issuer)
    return [
      judgeIssuer(metadata, server.issuer),
      ...(await examineVerification(metadata, server)),
      ...judgeForClients(metadata),
      ...(Number.isNaN(date) ? [] : [judgeSkew('the authorization server', now() - date - 0.5)]),
    ]
  } catch (error) {
    return [
      fail(
        `${server.issuer}: no usable metadata: ${reasonOf(error)}`,
        'check authorizationServer.issuer byte for byte (a final slash counts), DNS and the way out of this network',
      ),
    ]
  }
}

async function findMetadata(issuer: string): Promise<{ metadata: Metadata; date: number }> {
  const first = await ask(openIdMetadataUrlOf(issuer))
  const { response, url } = first.response.ok
    ? first
    : await ask(authorizationServerMetadataUrlOf(issuer))
  if (!response.ok) throw new Error(`${url}: status ${response.status}`)
  const metadata = metadataSchema.parse(await response.json())
  return { metadata, date: Date.parse(response.headers.get('date') ?? '') / 1000 }
}

async function ask(url: string): Promise<{ url: string; response: Response }> {
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  return { url, response: await fetch(url, { redirect: 'error', signal }) }
}

function judgeIssuer({ issuer }: Metadata, expected: string): Finding {
  return issuer === expected
    ? ok(`${issuer}: metadata found, and its issuer is the configured one`)
    : fail(
        `its metadata names the issuer ${issuer}`,
        'set authorizationServer.issuer to the `iss` of its access tokens, byte for byte',
      )
}

async function examineVerification(
  metadata: Metadata,
  { jwksUri = metadata.jwks_uri, introspection }: ExaminedServer,
): Promise<Finding[]> {
  if (introspection) {
    const endpoint = introspection.endpoint ?? metadata.introspection_endpoint
    return endpoint === undefined
      ? [
          fail(
            'its metadata has no introspection_endpoint',
            'set authorizationServer.introspection.endpoint, or leave introspection out and verify by its keys',
          ),
        ]
      : [ok(`tokens are introspected at ${endpoint}`)]
  }
  if (jwksUri === undefined) {
    return [fail('its metadata has no jwks_uri', 'set authorizationServer.jwksUri')]
  }
  const { response } = await ask(jwksUri)
  const keys = parsePublicKeys(await response.json())
  return typeof keys === 'string'
    ? [fail(`${jwksUri} ${keys}`, 'see what is served there')]
    : [ok(`${keys.keys.length} keys at ${jwksUri}`)]
}

/** What MCP clients want of an authorization server. @see MCP authorization, "Authorization Server Discovery" */
function judgeForClients(metadata: Metadata): Finding[] {
  const registers = metadata.registration_endpoint !== undefined
  const readsDocuments = metadata.client_id_metadata_document_supported === true
  const hasPkce = metadata.code_challenge_methods_supported?.includes('S256') ?? false
  return [
    registers || readsDocuments
      ? ok('clients that it does not know can register there')
      : warn(
          'it neither registers clients nor reads their metadata documents',
          'make every MCP client known there and give people its client id; or use auth: gateway',
        ),
    hasPkce
      ? ok('PKCE with S256')
      : warn(
          'its metadata does not list PKCE with S256, and many MCP clients refuse that',
          'see whether it can be listed; or use auth: gateway',
        ),
  ]
}

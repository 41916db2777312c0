import { createSecureContext } from 'node:tls'
import { z } from 'zod'
import { port, secret, text } from '../fields.ts'
import { onSection } from '../shapes.ts'

/** PEM; the files are read where they are referred to, so a change of one is a change of the configuration. */
const tls = z
  .strictObject({
    cert: text('PEM').describe(
      'The certificate, then its intermediates: `file:` and the path of a PEM file.',
    ),
    key: secret().describe('Its key: `file:` and the path of a PEM file.'),
    clientCa: text('PEM')
      .exactOptional()
      .describe(
        'The authority (PEM) whose certificates callers must have. For a load balancer that proves itself; no browser and no MCP client has one.',
      ),
  })
  .check(z.superRefine(checkMaterial, onSection))

export const listen = z
  .strictObject({
    host: text()
      .exactOptional()
      .describe('Address to listen on. Default: `0.0.0.0`, or `127.0.0.1` with `provider: dev`.'),
    port: port().prefault(8080).describe('Port to listen on.'),
    tls: tls
      .exactOptional()
      .describe('TLS 1.2 or later on this listener, where nothing in front ends it.'),
  })
  .prefault({})
  .describe('The public listener: OAuth endpoints and MCP endpoints.')

function checkMaterial(
  { cert, key, clientCa }: { cert?: unknown; key?: unknown; clientCa?: unknown },
  context: z.RefinementCtx,
): void {
  const complain = (path: string, message: string): void =>
    context.addIssue({ code: 'custom', message, path: [path] })
  const isCert = typeof cert === 'string' && isUsable({ cert })
  const isKey = typeof key === 'string' && isUsable({ key })
  if (typeof cert === 'string' && !isCert) complain('cert', 'is no certificate in PEM')
  if (typeof key === 'string' && !isKey) complain('key', 'is no unencrypted key in PEM')
  if (isCert && isKey && !isUsable({ cert, key }))
    complain('key', 'is not the key of the certificate')
  if (
    typeof clientCa === 'string' &&
    !(clientCa.includes('-BEGIN CERT') && isUsable({ cert: clientCa }))
  )
    complain('clientCa', 'is no certificate in PEM')
}

/** What OpenSSL says of the fault is about files that nobody should see quoted. */
function isUsable(material: { cert?: string; key?: string }): boolean {
  try {
    createSecureContext(material)
    return true
  } catch {
    return false
  }
}

#!/usr/bin/env node
/** The development IdP as a process of its own, for gateways with `provider: oidc`. It lets anybody in. Serves until SIGTERM or SIGINT. */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createLogger } from '../observability/log.ts'
import { startDevIdp } from './idp.ts'
import { closeOnSignal } from './listen.ts'

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '9000' },
    issuer: { type: 'string' },
    'client-id': { type: 'string', default: 'mcp-auth-gateway' },
    'client-secret-file': { type: 'string' },
    'callback-url': { type: 'string', multiple: true, default: ['http://localhost:8080/callback'] },
  },
})
const { host, port, issuer, 'client-id': id, 'client-secret-file': secretFile } = values
if (secretFile === undefined) throw new Error('--client-secret-file is missing')

const logger = createLogger('info')
const idp = await startDevIdp({
  ...{ host, port: Number(port), logger, ...(issuer !== undefined && { issuer }) },
  client: {
    id,
    secret: readFileSync(secretFile, 'utf8').trim(),
    redirectUris: values['callback-url'],
  },
})
logger.warn({ issuer: idp.issuer }, 'the development identity provider lets anybody in')
closeOnSignal(idp)

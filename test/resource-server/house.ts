import { createExternalVerification, describeTokenResources } from '../../src/gateway/external.ts'
import { createLogger } from '../../src/observability/log.ts'
import type { Admit } from '../../src/proxy/admission.ts'
import { createExternalAdmission } from '../../src/resource-server/admission.ts'
import {
  createPresentedTokens,
  type PresentedTokens,
} from '../../src/resource-server/presented-tokens.ts'
import { readTree } from '../config/support.ts'
import {
  type ExternalIssuer,
  GATEWAY_CLIENT,
  startExternalIssuer,
} from '../support/external-issuer.ts'

const PUBLIC_URL = 'https://mcp.example.com'
export const RESOURCE = `${PUBLIC_URL}/crm/mcp`
export const OTHER_RESOURCE = `${PUBLIC_URL}/files/mcp`

/** An authorization server, the gateway's admission, and a clock that both go by. */
export type AdmissionHouse = {
  issuer: ExternalIssuer
  admission: Admit
  presented: PresentedTokens
  log: Record<string, unknown>[]
  clock: { now(): number; advance(seconds: number): void }
  /** Admits a token at a resource, as a call does. */
  admit(token: string, resource?: string): ReturnType<Admit['resolve']>
}

export type HouseOptions = {
  /** Asks about tokens. */
  introspects?: boolean
  /** Laid over `authorizationServer`. */
  server?: Record<string, unknown>
  /** Laid over the first backend. */
  backend?: Record<string, unknown>
  send?: typeof fetch
  /** How many tokens are remembered. */
  size?: number
}

/** Ends with the test. */
export async function createAdmissionHouse(options: HouseOptions = {}): Promise<AdmissionHouse> {
  let passed = 0
  const now = () => 1_900_000_000 + passed
  const issuer = await startExternalIssuer(now)
  const backend = { instances: ['http://crm-1:8080/mcp'], credential: 'none', scopes: ['crm.read'] }
  const config = readTree({
    publicUrl: PUBLIC_URL,
    auth: 'external',
    authorizationServer: {
      issuer: issuer.issuer,
      ...(options.introspects && { introspection: GATEWAY_CLIENT }),
      ...options.server,
    },
    backends: [
      { path: '/crm/mcp', ...backend, ...options.backend },
      { path: '/files/mcp', ...backend },
    ],
  })
  const { authorizationServer } = config
  if (!authorizationServer) throw new Error('there is no authorization server')
  const log: AdmissionHouse['log'] = []
  const logger = createLogger('debug', { write: line => void log.push(JSON.parse(line)) })
  const means = { send: options.send ?? fetch, logger, now }
  const verify = createExternalVerification({ ...config, authorizationServer }, means)
  const presented = createPresentedTokens(describeTokenResources(config), now, options.size)
  const admission = createExternalAdmission(verify, presented)
  return {
    ...{ issuer, admission, presented, log },
    clock: {
      now,
      advance: seconds => {
        passed += seconds
      },
    },
    admit: async (token, resource = RESOURCE) => {
      const field = `Bearer ${token}`
      return admission.peek(field, resource) ?? admission.resolve(field, resource)
    },
  }
}

import type { Hono } from 'hono'
import {
  createGrantEnding,
  type EndReason,
  type EndTally,
  type GrantEnding,
} from '../authorization-server/tokens/grant-ending.ts'
import { renderEffective } from '../config/effective.ts'
import type { GatewayConfig } from '../config/schema.ts'
import type { Grant } from '../domain/grant.ts'
import { createCorrelationId } from '../domain/secret.ts'
import {
  type AdminOperations,
  createAdminApp,
  type GrantSummary,
  type Owner,
  type Target,
} from '../http/admin.ts'
import type { Audit, AuditEvent } from '../observability/audit.ts'
import type { Logger } from '../observability/log.ts'
import { explain } from './explain.ts'
import type { Serving } from './serving.ts'

const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/

/**
 * The admin API, unless anybody could reach it: outside of loopback it needs a token. A part of the composition in `gateway.ts`.
 *
 * @param current what the gateway serves by now
 */
export function createAdmin(
  current: () => Serving,
  { host, token }: GatewayConfig['ops'],
  { audit, logger }: { audit: Audit; logger: Logger },
): Hono | undefined {
  const isLoopback = LOOPBACK.test(host)
  if (!isLoopback && token === undefined) {
    logger.warn({ host }, 'no admin API: it needs ops.token where ops.host is not loopback')
    return undefined
  }
  return createAdminApp({
    operations: createOperations(current, audit),
    isLoopback,
    createCorrelationId,
    ...(token !== undefined && { token }),
  })
}

function createOperations(current: () => Serving, audit: Audit): AdminOperations {
  const store = () => current().server.store
  const ending = () => createGrantEnding(current().server)
  const perform = createPerformance(audit)
  return {
    list: async owner => (await list(current(), owner)).map(summarize),
    revoke: (target, correlationId) => {
      const whose = complete(target, current().upstreamIssuers)
      return perform(`revoke ${kindOf(target)}`, describe(whose), correlationId, why =>
        end(current(), ending(), whose, why),
      )
    },
    deny: (clientId, correlationId) =>
      perform('deny client', { clientId }, correlationId, async why => {
        // First, so that no grant is opened while the others end.
        await store().clients.deny(clientId)
        return ending().endClient(clientId, why)
      }),
    lift: async (clientId, correlationId) => {
      let wasDenied = false
      await perform('lift client', { clientId }, correlationId, async () => {
        // For the answer alone.
        wasDenied = await store().clients.isDenied(clientId)
        await store().clients.lift(clientId)
        return NONE
      })
      return wasDenied
    },
    effectiveConfig: () => renderEffective(current().config),
    backends: () => current().proxy.state().backends,
    explain: question => explain(current(), question),
  }
}

const NONE: EndTally = { revoked: 0, unopened: 0, failed: 0 }

/** Does what an operator has asked for, and puts it on record whether it worked or not. */
function createPerformance(audit: Audit) {
  return async function perform(
    reason: string,
    about: Partial<AuditEvent>,
    correlationId: string,
    act: (why: EndReason) => Promise<EndTally>,
  ): Promise<EndTally> {
    const event = { ...about, event: 'admin', reason, correlationId } as const
    try {
      const tally = await act({ reason: `admin: ${reason}`, correlationId })
      const { revoked, unopened, failed } = tally
      audit({
        ...event,
        outcome: failed > 0 ? 'failed' : 'granted',
        revoked,
        ...(unopened > 0 && { unopened }),
        ...(failed > 0 && { failed }),
      })
      return tally
    } catch (error) {
      audit({ ...event, outcome: 'failed' })
      throw error
    }
  }
}

/** A target whose subject is one of known issuers: of all upstreams, where none was named. */
type Known = Exclude<Target, { subject: string }> | { subject: string; issuers: readonly string[] }

function complete(target: Target, upstreamIssuers: readonly string[]): Known {
  if (!('subject' in target)) return target
  return {
    subject: target.subject,
    issuers: target.issuer === undefined ? upstreamIssuers : [target.issuer],
  }
}

function kindOf(target: Target): string {
  if ('grant' in target) return 'grant'
  if ('client' in target) return 'client'
  return 'everything' in target ? 'everything' : 'subject'
}

function describe(target: Known): Partial<AuditEvent> {
  if ('grant' in target) return { grantId: target.grant }
  if ('client' in target) return { clientId: target.client }
  if ('everything' in target) return {}
  return { subject: target.subject, issuer: target.issuers.join(' ') }
}

async function list({ server, upstreamIssuers }: Serving, owner: Owner): Promise<Grant[]> {
  const { grants } = server.store
  if ('client' in owner) return grants.listByClient(owner.client)
  const issuers = owner.issuer === undefined ? upstreamIssuers : [owner.issuer]
  const lists = await Promise.all(
    issuers.map(issuer => grants.listBySubject(issuer, owner.subject)),
  )
  return lists.flat()
}

async function end(
  { server }: Serving,
  { endEach, endClient, endSubject }: GrantEnding,
  target: Known,
  why: EndReason,
): Promise<EndTally> {
  if ('client' in target) return endClient(target.client, why)
  if ('subject' in target) return endSubjects(target, endSubject, why)
  if ('grant' in target) return endEach([target.grant], why)
  let tally = NONE
  await server.store.grants.visitAll(async grantIds => {
    tally = add(tally, await endEach(grantIds, why))
  })
  return tally
}

async function endSubjects(
  { subject, issuers }: { subject: string; issuers: readonly string[] },
  endSubject: GrantEnding['endSubject'],
  why: EndReason,
): Promise<EndTally> {
  let tally = NONE
  for (const issuer of issuers) tally = add(tally, await endSubject(issuer, subject, why))
  return tally
}

function add(one: EndTally, other: EndTally): EndTally {
  return {
    revoked: one.revoked + other.revoked,
    unopened: one.unopened + other.unopened,
    failed: one.failed + other.failed,
  }
}

function summarize({ identity, dead, ...grant }: Grant): GrantSummary {
  const { grantId, clientId, clientName, upstream, resource, scope, openedAt } = grant
  const { issuer, subject, email } = identity
  return {
    ...{ grantId, clientId, clientName, upstream, issuer, subject, resource, scope, openedAt },
    ...(email !== undefined && { email }),
    ...(dead && { dead: dead.error }),
  }
}

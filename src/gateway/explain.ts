import { resolveClient } from '../authorization-server/clients/clients.ts'
import { judgeIdentity } from '../domain/access-rule.ts'
import type { Grant } from '../domain/grant.ts'
import { findResource } from '../domain/resource.ts'
import type { Explanation, Question, Step } from '../http/admin.ts'
import type { BackendOptions } from '../proxy/backends.ts'
import { judgeAsks, type Refusal } from '../proxy/policy.ts'
import { describeBackend } from './backends.ts'
import type { Serving } from './serving.ts'

/** What is known once the steps before have been passed. */
type Known = { backend: BackendOptions; grant: Grant }

/**
 * Follows a call of a user through the rules that a real one meets, in their order, up to the one that decides. Asks the same functions, and changes nothing.
 *
 * The call is taken to have an access token with the whole scope of its grant. A part of the composition in `gateway.ts`.
 */
export async function explain(serving: Serving, question: Question): Promise<Explanation> {
  const steps: Step[] = []
  const backend = findBackend(serving, question.resource)
  steps.push(
    backend
      ? passed('resource', `the backend ${backend.name}`)
      : refused('resource', 'not a resource of this gateway; compare it byte for byte'),
  )
  if (!backend) return conclude(steps)
  const { authorizationServer } = serving.config
  if (authorizationServer) {
    const why = `cannot be told: nothing is kept of anybody, and the token of ${authorizationServer.issuer} decides each time`
    return conclude([...steps, refused('auth', why)])
  }
  steps.push(await judgeClient(serving, question.client))
  if (isRefused(steps)) return conclude(steps)
  const grant = await findGrant(serving, question, backend)
  steps.push(judgeGrant(grant))
  if (!grant || isRefused(steps)) return conclude(steps)
  const known = { backend, grant }
  for (const judge of [judgeUser, judgeRequired, judgeTool]) {
    const step = judge(known, question)
    if (step) steps.push(step)
    if (isRefused(steps)) break
  }
  return conclude(steps)
}

function findBackend({ config }: Serving, resource: string): BackendOptions | undefined {
  const backends = config.backends.map(backend => describeBackend(config, backend))
  const known = findResource(
    resource,
    backends.map(backend => backend.resource),
  )
  return backends.find(backend => backend.resource === known)
}

async function judgeClient({ server }: Serving, clientId: string): Promise<Step> {
  if (await server.store.clients.isDenied(clientId)) {
    return refused('client', 'denied by an operator; lift ends that')
  }
  const client = await resolveClient(server, clientId)
  if (client) return passed('client', `${client.clientName}, ${client.origin}`)
  return refused('client', 'nobody knows it; it has to register anew')
}

async function findGrant(
  { server, upstreamIssuers }: Serving,
  { subject, issuer, client }: Question,
  { resource }: BackendOptions,
): Promise<Grant | undefined> {
  const issuers = issuer === undefined ? upstreamIssuers : [issuer]
  const lists = await Promise.all(
    issuers.map(each => server.store.grants.listBySubject(each, subject)),
  )
  const fitting = lists
    .flat()
    .filter(each => each.clientId === client && each.resource === resource)
  return fitting.find(({ dead }) => !dead) ?? fitting[0]
}

function judgeGrant(grant: Grant | undefined): Step {
  if (!grant)
    return refused('grant', 'none: the user has not signed in with this client, or it has ended')
  if (grant.dead)
    return refused('grant', `the identity provider wants a new login: ${grant.dead.error}`)
  return passed('grant', `${grant.grantId} with ${grant.scope.join(' ') || 'no scopes'}`)
}

function judgeUser({ backend, grant }: Known): Step | undefined {
  if (!backend.allow) return undefined
  const decision = judgeIdentity(backend.allow, grant.identity)
  return decision.outcome === 'allowed'
    ? passed('allow', 'the user fits the rule of the backend')
    : refused('allow', decision.reason)
}

function judgeRequired({ backend, grant }: Known): Step | undefined {
  if (!backend.policy) return passed('policy', 'the backend has none')
  return asStep('required', backend.policy.standingOf(grant).refusal)
}

function judgeTool({ backend, grant }: Known, { tool }: Question): Step | undefined {
  if (!backend.policy || tool === undefined) return undefined
  const ask = { method: 'tools/call', tool }
  return asStep('tools', judgeAsks(backend.policy.standingOf(grant).limits, [ask]))
}

function asStep(rule: string, refusal: Refusal | undefined): Step {
  if (!refusal) return passed(rule, 'nothing is missing')
  if (refusal.outcome === 'forbidden') return refused(rule, refusal.reason)
  return refused(rule, `needs ${refusal.missing.join(' ')}; the client may ask the user for it`)
}

function conclude(steps: readonly Step[]): Explanation {
  return { isAllowed: !isRefused(steps), steps }
}

function isRefused(steps: readonly Step[]): boolean {
  return steps.at(-1)?.verdict === 'refused'
}

function passed(rule: string, why: string): Step {
  return { rule, verdict: 'passed', why }
}

function refused(rule: string, why: string): Step {
  return { rule, verdict: 'refused', why }
}

import * as z from 'zod'
import type { GatewayConfig } from '../config/schema.ts'
import type { Question, Target } from '../http/admin.ts'

type Output = { write(text: string): unknown }

export type AdminCommandOptions = {
  ops: Pick<GatewayConfig['ops'], 'host' | 'port' | 'token'>
  stdout: Output
  stderr: Output
}

/** One command over the admin API of a gateway that runs. Each resolves to the exit code: 0, or 1 with a line on standard error. */
export type AdminCommands = {
  grants(owner: { subject?: string; issuer?: string; client?: string }): Promise<0 | 1>
  revoke(target: Target): Promise<0 | 1>
  deny(client: string): Promise<0 | 1>
  lift(client: string): Promise<0 | 1>
  backends(): Promise<0 | 1>
  explain(question: Question): Promise<0 | 1>
}

const TIMEOUT_MS = 30_000
/** Ending everything takes as long as there are grants. */
const REVOKE_TIMEOUT_MS = 600_000

const grantList = z.object({
  grants: z.array(
    z.object({
      grantId: z.string(),
      clientName: z.string(),
      subject: z.string(),
      email: z.string().optional(),
      resource: z.string(),
      scope: z.array(z.string()),
      openedAt: z.number(),
      dead: z.string().optional(),
    }),
  ),
})
const ending = z.object({ revoked: z.number(), unopened: z.number(), failed: z.number() })
type Ended = z.infer<typeof ending>
const lifting = z.object({ wasDenied: z.boolean() })
const backendList = z.object({
  backends: z.array(
    z.object({
      name: z.string(),
      resource: z.string(),
      instances: z.array(
        z.object({ instance: z.string(), state: z.string(), inFlight: z.number() }),
      ),
    }),
  ),
})

const explanation = z.object({
  isAllowed: z.boolean(),
  steps: z.array(z.object({ rule: z.string(), verdict: z.string(), why: z.string() })),
})

export function createAdminCommands(options: AdminCommandOptions): AdminCommands {
  const { stdout, stderr } = options
  const ask = createAsk(options.ops)
  const run = async (act: () => Promise<string[]>): Promise<0 | 1> => {
    try {
      for (const line of await act()) stdout.write(`${line}\n`)
      return 0
    } catch (error) {
      stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
      return 1
    }
  }
  return {
    grants: owner =>
      run(async () => {
        const { grants } = grantList.parse(await ask(`/grants?${new URLSearchParams(owner)}`))
        return grants.length === 0 ? ['no grants'] : grants.map(renderGrant)
      }),
    revoke: target =>
      run(async () => {
        const ended = ending.parse(await ask('/revoke', target))
        if (!isNone(ended)) return renderEnded(ended)
        if ('grant' in target) throw new Error('no grant has this id')
        return ['0 grants revoked: none was found']
      }),
    deny: client =>
      run(async () => {
        const ended = ending.parse(await ask('/clients/deny', { client }))
        // Whether there is such a client is not known: registrations are not stored.
        if (isNone(ended)) return ['client denied; no grants of it were known']
        return renderEnded(ended, 'client denied; ')
      }),
    lift: client =>
      run(async () => {
        const { wasDenied } = lifting.parse(await ask('/clients/lift', { client }))
        return [wasDenied ? 'the client is no longer denied' : 'the client was not denied']
      }),
    explain: question =>
      run(async () => {
        const { issuer, tool, ...needed } = question
        const optional = { ...(issuer && { issuer }), ...(tool && { tool }) }
        const query = new URLSearchParams({ ...needed, ...optional })
        const { isAllowed, steps } = explanation.parse(await ask(`/explain?${query}`))
        return [
          ...steps.map(({ rule, verdict, why }) => `${verdict.padEnd(7)}  ${rule}: ${why}`),
          isAllowed ? 'the call is let through' : 'the call is refused',
        ]
      }),
    backends: () =>
      run(async () => {
        const { backends } = backendList.parse(await ask('/backends'))
        return backends.flatMap(({ resource, instances }) => [
          resource,
          ...instances.map(
            ({ instance, state, inFlight }) => `  ${instance}  ${state}  ${inFlight} in flight`,
          ),
        ])
      }),
  }
}

/** @throws Error with a text for people */
function createAsk({ host, port, token }: AdminCommandOptions['ops']) {
  const origin = `http://${reachable(host)}:${port}`
  return async function ask(path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${origin}/admin${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      redirect: 'error',
      signal: AbortSignal.timeout(path === '/revoke' ? REVOKE_TIMEOUT_MS : TIMEOUT_MS),
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }).catch(cause => {
      throw new Error(`no gateway answers at ${origin}; is it running?`, { cause })
    })
    const text = await response.text()
    if (response.ok || isInPart(text)) return JSON.parse(text)
    throw new Error(explain(response.status, origin, text))
  }
}

/** Whether it was done, as far as could be: then the answer says how far. */
function isInPart(text: string): boolean {
  try {
    return ending.safeParse(JSON.parse(text)).success
  } catch {
    return false
  }
}

function explain(status: number, origin: string, text: string): string {
  if (status === 401) return 'the gateway does not accept ops.token of this configuration'
  if (status === 404) {
    return `${origin} has no admin API: ops.token is missing, and ops.host is not loopback`
  }
  return `${origin} answered ${status}: ${text.slice(0, 500)}`
}

/** Where everything is listened on, this machine is. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

function renderGrant(grant: z.infer<typeof grantList>['grants'][number]): string {
  const { grantId, clientName, subject, email, resource, scope, openedAt, dead } = grant
  const since = new Date(openedAt * 1000).toISOString()
  const who = email === undefined ? subject : `${subject} (${email})`
  const state = dead === undefined ? '' : `  needs a new login: ${dead}`
  return `${grantId}  ${who}  ${clientName}  ${resource}  ${scope.join(' ')}  since ${since}${state}`
}

function isNone({ revoked, failed }: Ended): boolean {
  return revoked === 0 && failed === 0
}

/** @throws Error where some could not be ended */
function renderEnded({ revoked, unopened, failed }: Ended, before = ''): string[] {
  const lines = [`${before}${count(revoked)} revoked`]
  if (unopened > 0) {
    lines.push(
      `${unopened} of them did not open: what the identity provider has given for them was not revoked there; the log of the gateway says why`,
    )
  }
  if (failed === 0) return lines
  const advice = 'run this again once the store answers; the log of the gateway says why'
  throw new Error([...lines, `${count(failed)} could not be revoked: ${advice}`].join('\n'))
}

function count(grants: number): string {
  return grants === 1 ? '1 grant' : `${grants} grants`
}

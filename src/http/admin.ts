import { Hono } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import * as z from 'zod'
import { isSameSecret } from '../domain/secret.ts'

/** A grant as operators see it: who, which client, what for, until when. Never a token. */
export type GrantSummary = {
  grantId: string
  clientId: string
  clientName: string
  upstream: string
  issuer: string
  subject: string
  email?: string
  resource: string
  scope: readonly string[]
  /** Epoch seconds. */
  openedAt: number
  /** The upstream's `error`, where it gives no more tokens. */
  dead?: string
}

export type InstanceHealth = { instance: string; state: 'serving' | 'ejected'; inFlight: number }

/** What the admin API can do; the gateway supplies it. */
export type AdminOperations = {
  grantsOfSubject(issuer: string | undefined, subject: string): Promise<GrantSummary[]>
  grantsOfClient(clientId: string): Promise<GrantSummary[]>
  /** All return how many grants they ended. */
  revokeGrant(grantId: string, correlationId: string): Promise<number>
  revokeSubject(issuer: string | undefined, subject: string, correlationId: string): Promise<number>
  revokeClient(clientId: string, correlationId: string): Promise<number>
  revokeEverything(correlationId: string): Promise<number>
  denyClient(clientId: string, correlationId: string): Promise<number>
  liftClient(clientId: string, correlationId: string): Promise<void>
  /** YAML, secrets redacted. */
  effectiveConfig(): string
  backends(): { name: string; resource: string; instances: readonly InstanceHealth[] }[]
}

export type AdminOptions = {
  operations: AdminOperations
  /** Asked of every request where there is one. */
  token?: string
  createCorrelationId: () => string
}

const who = z.union([
  z.strictObject({ grant: z.string().min(1) }),
  z.strictObject({ subject: z.string().min(1), issuer: z.string().min(1).optional() }),
  z.strictObject({ client: z.string().min(1) }),
  z.strictObject({ everything: z.literal(true) }),
])
type Who = z.infer<typeof who>

const oneClient = z.strictObject({ client: z.string().min(1) })

/** The admin API, for the ops listener under `/admin`. JSON in and out; a malformed request gets 400 and does nothing. */
export function createAdminApp({ operations, token, createCorrelationId }: AdminOptions): Hono {
  const app = new Hono()
  if (token !== undefined) {
    app.use(bearerAuth({ verifyToken: presented => isSameSecret(presented, token) }))
  }
  app.get('/grants', async c => {
    const { subject, issuer, client } = c.req.query()
    if (subject) return c.json({ grants: await operations.grantsOfSubject(issuer, subject) })
    if (client) return c.json({ grants: await operations.grantsOfClient(client) })
    return c.json(
      { error: 'invalid_request', error_description: 'name a subject or a client' },
      400,
    )
  })
  app.post('/revoke', async c => {
    const target = who.safeParse(await readJson(c.req))
    if (!target.success)
      return c.json(malformed('one of grant, subject, client and everything'), 400)
    return c.json({ revoked: await revoke(operations, target.data, createCorrelationId()) })
  })
  app.post('/clients/deny', async c => {
    const target = oneClient.safeParse(await readJson(c.req))
    if (!target.success) return c.json(malformed('client'), 400)
    return c.json({
      revoked: await operations.denyClient(target.data.client, createCorrelationId()),
    })
  })
  app.post('/clients/lift', async c => {
    const target = oneClient.safeParse(await readJson(c.req))
    if (!target.success) return c.json(malformed('client'), 400)
    await operations.liftClient(target.data.client, createCorrelationId())
    return c.json({})
  })
  app.get('/config', c => c.text(operations.effectiveConfig()))
  app.get('/backends', c => c.json({ backends: operations.backends() }))
  return app
}

function revoke(operations: AdminOperations, target: Who, correlationId: string): Promise<number> {
  if ('grant' in target) return operations.revokeGrant(target.grant, correlationId)
  if ('client' in target) return operations.revokeClient(target.client, correlationId)
  if ('everything' in target) return operations.revokeEverything(correlationId)
  return operations.revokeSubject(target.issuer, target.subject, correlationId)
}

function malformed(expected: string): { error: string; error_description: string } {
  return { error: 'invalid_request', error_description: `expected a JSON object with ${expected}` }
}

async function readJson(request: { json(): Promise<unknown> }): Promise<unknown> {
  try {
    return await request.json()
  } catch {
    return undefined
  }
}

import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { bearerAuth } from 'hono/bearer-auth'
import { bodyLimit } from 'hono/body-limit'
import { HTTPException } from 'hono/http-exception'
import * as z from 'zod'
import { OutageError } from '../domain/outage.ts'
import { isSameSecret } from '../domain/secret.ts'

/** A grant as operators see it: who, which client, what for, since when. Never a token. */
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

/** Whose grants. An issuer that is not named is that of the configured upstream. */
export type Owner = { subject: string; issuer?: string | undefined } | { client: string }
/** Which grants. */
export type Target = Owner | { grant: string } | { everything: true }

/** `warming` is new, or was ejected, and gets its share little by little. Streams are in flight too. */
export type InstanceHealth = {
  instance: string
  state: 'serving' | 'warming' | 'ejected'
  inFlight: number
  streams: number
}
export type BackendHealth = {
  name: string
  resource: string
  instances: readonly InstanceHealth[]
}

/** A call that somebody wonders about. */
export type Question = {
  subject: string
  issuer?: string | undefined
  client: string
  resource: string
  tool?: string | undefined
}
/** One rule that it meets, and why it passes or does not. */
export type Step = { rule: string; verdict: 'passed' | 'refused'; why: string }
/** The rules in their order, up to the one that decides. */
export type Explanation = { isAllowed: boolean; steps: readonly Step[] }

/** How many grants have ended. */
export type Ended = {
  revoked: number
  /** Those among them whose records do not open: nothing could be revoked at the upstream. */
  unopened: number
  /** How many could not be ended. */
  failed: number
}

/** What the admin API can do; the gateway supplies it. */
export type AdminOperations = {
  list(owner: Owner): Promise<GrantSummary[]>
  revoke(target: Target, correlationId: string): Promise<Ended>
  /** From now on nobody knows the client, and its grants end. */
  deny(clientId: string, correlationId: string): Promise<Ended>
  /** @returns whether it was denied */
  lift(clientId: string, correlationId: string): Promise<boolean>
  /** YAML, secrets redacted. */
  effectiveConfig(): string
  backends(): readonly BackendHealth[]
  explain(question: Question): Promise<Explanation>
}

export type AdminOptions = {
  operations: AdminOperations
  /** Asked of every request where there is one. */
  token?: string
  /** It listens on loopback, where a web page may send a browser under any name. */
  isLoopback: boolean
  createCorrelationId: () => string
}

const name = z.string().min(1)
const bySubject = z.strictObject({ subject: name, issuer: name.optional() })
const byClient = z.strictObject({ client: name })
const owner = z.union([bySubject, byClient])
const target = z.union([
  bySubject,
  byClient,
  z.strictObject({ grant: name }),
  z.strictObject({ everything: z.literal(true) }),
])

const question = z.strictObject({
  subject: name,
  issuer: name.optional(),
  client: name,
  resource: name,
  tool: name.optional(),
})

const MAX_BODY_BYTES = 64 * 1024
const LOOPBACK_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i

/** The admin API, for the ops listener under `/admin`. JSON in and out; what is malformed gets 400 and does nothing. */
export function createAdminApp(options: AdminOptions): Hono {
  const { operations, token, createCorrelationId } = options
  const app = new Hono()
  app.use(refuseBrowsers(options.isLoopback))
  if (token !== undefined) {
    app.use(bearerAuth({ verifyToken: presented => isSameSecret(presented, token) }))
  }
  app.use(bodyLimit({ maxSize: MAX_BODY_BYTES }))
  app.get('/grants', async c => {
    const asked = owner.safeParse(c.req.query())
    if (!asked.success) return refuse(c, 'expected subject (and perhaps issuer), or client')
    return c.json({ grants: await operations.list(asked.data) })
  })
  app.post('/revoke', async c => {
    const asked = target.safeParse(await readJson(c))
    if (!asked.success) return refuse(c, 'expected one of grant, subject, client and everything')
    return answerEnded(c, await operations.revoke(asked.data, createCorrelationId()))
  })
  app.post('/clients/deny', async c => {
    const asked = byClient.safeParse(await readJson(c))
    if (!asked.success) return refuse(c, 'expected client')
    return answerEnded(c, await operations.deny(asked.data.client, createCorrelationId()))
  })
  app.post('/clients/lift', async c => {
    const asked = byClient.safeParse(await readJson(c))
    if (!asked.success) return refuse(c, 'expected client')
    return c.json({ wasDenied: await operations.lift(asked.data.client, createCorrelationId()) })
  })
  app.get('/explain', async c => {
    const asked = question.safeParse(c.req.query())
    if (!asked.success) return refuse(c, 'expected subject, client, resource, and perhaps a tool')
    return c.json(await operations.explain(asked.data))
  })
  app.onError(renderThrown)
  app.get('/config', c => c.text(operations.effectiveConfig()))
  app.get('/backends', c => c.json({ backends: operations.backends() }))
  return app
}

/**
 * An operator's tools send no `Origin`, and browsers send one with whatever a page lets them change. On loopback a page whose name was rebound to this machine could
 * read as well, so there the name must be the machine's own.
 */
function refuseBrowsers(isLoopback: boolean): MiddlewareHandler {
  return async function guard(c, next) {
    const { host = '', origin, 'sec-fetch-site': site } = c.req.header()
    const isForeign = origin !== undefined || site === 'cross-site' || site === 'same-site'
    if (isForeign) return refuse(c, 'not for web pages', 403)
    if (isLoopback && !LOOPBACK_HOST.test(host)) return refuse(c, 'not under this name', 403)
    return next()
  }
}

/** Whoever looks at the status alone must not take access for ended that is not. */
function answerEnded(c: Context, ended: Ended): Response {
  return c.json(ended, ended.failed > 0 ? 503 : 200)
}

/** @throws what is neither an outage nor a refusal: whoever serves this app answers it */
function renderThrown(error: Error, c: Context): Response {
  if (error instanceof HTTPException) return error.getResponse()
  if (!(error instanceof OutageError)) throw error
  c.header('Retry-After', String(error.retryAfterSeconds))
  const description = `the ${error.dependency} does not answer; ask again once it does`
  return c.json({ error: 'temporarily_unavailable', error_description: description }, 503)
}

function refuse(c: Context, description: string, status: 400 | 403 = 400): Response {
  return c.json({ error: 'invalid_request', error_description: description }, status)
}

/** `undefined` for what is no JSON or does not say that it is: a form on a web page cannot. */
async function readJson(c: Context): Promise<unknown> {
  if (!/^application\/json\s*(;|$)/i.test(c.req.header('content-type') ?? '')) return undefined
  try {
    return await c.req.json()
  } catch {
    return undefined
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Tracing } from '../observability/trace.ts'
import type { UpstreamTokenSource } from '../upstream/tokens.ts'
import type { Admit } from './admission.ts'
import type { Backend } from './backends.ts'
import { holdBody } from './body.ts'
import { type Arrival, Call, LISTEN, loadOf } from './call.ts'
import type { CallLimits, Excess } from './call-limits.ts'
import { CallTrace, runTraced } from './call-trace.ts'
import { abandon, type Connections } from './connections.ts'
import { type CrossOrigin, isPreflight, renderPreflight } from './cross-origin.ts'
import { enforce } from './enforcement.ts'
import { equip } from './equipment.ts'
import type { Failure } from './failures.ts'
import type { RequestHead } from './headers.ts'
import { readMessages } from './message.ts'
import { noteLimited } from './observer.ts'
import type { Challenges } from './protected-resource.ts'
import type { Refusals, Why } from './refusals.ts'
import { createShares, type ShareLimits } from './shares.ts'

/** What answers a request of the public listener. */
export type Handler = (req: IncomingMessage, res: ServerResponse) => void

export type HandlerOptions = {
  readHead: (rawHeaders: readonly string[]) => RequestHead
  crossOrigin: CrossOrigin
  admission: Admit
  tokens: UpstreamTokenSource
  connections: Connections
  forward: (call: Call) => void
  refusals: Refusals
  limits: ProxyLimits
  callLimits?: CallLimits
  createCorrelationId: () => string
  tracing?: Tracing
}

export type ProxyLimits = {
  /** Of a request's body. */
  bodyBytes: number
  /** Calls that are on their way to any backend or back. */
  inFlight: number
  /** Streams that only listen. */
  streams: number
} & Partial<ShareLimits>

/**
 * Makes the handlers of the MCP endpoints. A request was matched by the listener, on the exact path; then its origin is checked, it is admitted, its body is held, the
 * backend's policy is asked, it gets its upstream token, and is forwarded. On the usual way nothing here waits but for the body.
 */
export function createHandlers(
  options: HandlerOptions,
): (backend: Backend, challenges: Challenges) => Handler {
  const { readHead, crossOrigin, refusals, createCorrelationId, tracing } = options
  const admit = createAdmit(options)
  const begin = createBegin(options)

  const start = (arrival: Arrival, claims: Claims): void => {
    const call = begin(arrival, claims)
    if (!call) return
    proceed(call, options).catch(cause =>
      refusals.fail(call, 'unexpected', { reason: 'proxy', cause }),
    )
  }

  const handle = (arrival: Arrival): void => {
    const { req, res, head } = arrival
    if (isPreflight(req.method, head.origin, head.requestedMethod)) {
      renderPreflight(res, arrival.crossOrigin, head.requestedHeaders)
      return
    }
    const known = admit.peek(arrival)
    if (known) start(arrival, known)
    else {
      admit
        .resolve(arrival)
        .then(claims => claims && start(arrival, claims))
        .catch(cause => refusals.refuse(arrival, 'unexpected', { reason: 'proxy', cause }))
    }
  }

  return (backend, challenges) => (req, res) => {
    const head = readHead(req.rawHeaders)
    const fields = crossOrigin.find(head.origin)
    const search = searchOf(req.url ?? '')
    const correlationId = createCorrelationId()
    const arrival: Arrival = {
      req,
      res,
      backend,
      challenges,
      head,
      search,
      correlationId,
      crossOrigin: fields ?? [],
    }
    if (tracing) arrival.trace = new CallTrace(tracing, arrival)
    if (!fields) return refusals.refuse(arrival, 'forbiddenOrigin', { reason: 'not allowed' })
    handle(arrival)
  }
}

type Claims = Call['claims']

/** Admission, with what it refuses answered. `peek` answers nothing where the token must be verified first. */
function createAdmit({ admission, refusals }: HandlerOptions): {
  peek(arrival: Arrival): Claims | undefined
  resolve(arrival: Arrival): Promise<Claims | undefined>
} {
  return {
    peek({ head, backend, search }) {
      if (head.isAmbiguous || carriesToken(search)) return undefined
      const known = admission.peek(head.authorization, backend.resource)
      return known?.outcome === 'admitted' ? known.claims : undefined
    },
    async resolve(arrival) {
      const { head, backend, search } = arrival
      if (head.isAmbiguous || carriesToken(search)) {
        const reason = head.isAmbiguous ? 'repeated field' : 'token in the query'
        refusals.refuse(arrival, 'ambiguousCredentials', { reason })
        return undefined
      }
      const outcome =
        admission.peek(head.authorization, backend.resource) ??
        (await admission.resolve(head.authorization, backend.resource))
      if (outcome.outcome === 'admitted') return outcome.claims
      refusals.refuseAdmission(arrival, outcome)
      return undefined
    },
  }
}

/** Of one caller; not of the whole process. */
const OWN_LIMITS: ReadonlySet<Failure> = new Set(['subjectOverloaded', 'tooManyStreams'])

/** Starts a call, unless something known by now forbids it. */
function createBegin({
  connections,
  limits,
  callLimits,
  refusals,
}: HandlerOptions): (arrival: Arrival, claims: Claims) => Call | undefined {
  const { inFlightPerSubject = Infinity, streamsPerSubject = Infinity } = limits
  const shares = createShares({ inFlightPerSubject, streamsPerSubject })
  const room = { calls: limits.inFlight, streams: limits.streams }
  const underWay = { calls: 0, streams: 0 }

  const release = (call: Call): void => {
    underWay[call.load] -= 1
    shares.release(call.claims.subject, call.load)
    connections.leave(call.arrival.req.socket, call)
  }

  const findObstacle = (arrival: Arrival, { subject }: Claims): [Failure, string] | undefined => {
    const { req, head } = arrival
    const load = loadOf(arrival)
    // Its answer would show the client the very fields that we inject (RFC 9110 section 9.3.8).
    if (req.method === 'TRACE') return ['methodNotAllowed', 'TRACE']
    if (underWay[load] >= room[load]) return ['overloaded', `${underWay[load]} ${load} under way`]
    const excess = shares.findExcess(subject, load)
    if (excess) return [excess, `too many ${load} of one user at once`]
    if ((head.contentLength ?? 0) > limits.bodyBytes) return ['bodyTooLarge', 'declared']
    return undefined
  }

  return (arrival, claims) => {
    const obstacle = findObstacle(arrival, claims)
    if (obstacle) {
      refusals.refuse(arrival, obstacle[0], { reason: obstacle[1] })
      if (OWN_LIMITS.has(obstacle[0])) noteLimited(arrival, claims, obstacle[1])
      return undefined
    }
    const excess = callLimits?.take(claims, arrival.backend.name)
    if (excess) {
      const why = describeExcess(excess)
      refusals.refuse(arrival, 'rateLimited', why)
      noteLimited(arrival, claims, why.reason)
      return undefined
    }
    const call = new Call(arrival, claims, release)
    underWay[call.load] += 1
    shares.take(claims.subject, call.load)
    connections.join(arrival.req.socket, call)
    return call
  }
}

async function proceed(call: Call, options: HandlerOptions): Promise<void> {
  const { tokens, forward, refusals } = options
  const { head, correlationId, backend } = call.arrival
  if (head.hasBody && !(await hold(call, options))) return
  const excess = options.callLimits?.takeTools(call.claims, backend.name, {
    ...{ body: call.body, fields: head.passed },
  })
  if (excess) {
    const why = describeExcess(excess)
    noteLimited(call.arrival, call.claims, why.reason)
    return refusals.fail(call, 'rateLimited', why)
  }
  if (backend.policy && !enforce(call, backend.policy, refusals)) return
  const { grantId } = call.claims
  const token =
    tokens.peek(grantId) ?? (await runTraced(call, () => tokens.resolve(grantId, correlationId)))
  if (call.isOver) return
  // What came behind the request has broken the connection in this very turn.
  if (call.arrival.req.socket.destroyed) return abandon(call)
  if (token.outcome !== 'usable') return refusals.failToken(call, token)
  if (equip(call, token, refusals)) forward(call)
}

/** @returns whether the call goes on */
async function hold(call: Call, { limits, refusals }: HandlerOptions): Promise<boolean> {
  const { req, res, head } = call.arrival
  if (head.expectsContinue) res.writeContinue()
  const held = await holdBody(req, limits.bodyBytes)
  if (call.isOver) return false
  if (held.outcome === 'held') {
    call.body = held.body
    return !call.isListening || holdsToListening(call, held.body, refusals)
  }
  if (held.outcome === 'gone') abandon(call)
  else refusals.fail(call, 'bodyTooLarge', { reason: 'sent' })
  return false
}

/**
 * What says in its fields that it only listens is spared the limits of time that calls have, and may be ended at any moment; a call that says so is refused.
 *
 * @returns whether the call goes on
 */
function holdsToListening(call: Call, body: Buffer, { fail }: Pick<Refusals, 'fail'>): boolean {
  const { req, head } = call.arrival
  if (req.method === 'GET') return true
  const reading = readMessages(body, head.passed)
  const isTrue = reading.outcome === 'read' && reading.asks.every(({ method }) => method === LISTEN)
  if (!isTrue) fail(call, 'headerMismatch', { reason: 'a call that says that it only listens' })
  return isTrue
}

function describeExcess({ limit, retryAfterSeconds }: Excess): Why {
  return { reason: `more calls than the limit of its ${limit}`, retryAfterSeconds }
}

function searchOf(url: string): string {
  const start = url.indexOf('?')
  return start === -1 ? '' : url.slice(start)
}

/** A token in a URL ends up in logs; it is refused even where it would be ignored. RFC 9700 section 4.3.2. */
function carriesToken(search: string): boolean {
  return search !== '' && new URLSearchParams(search).has('access_token')
}

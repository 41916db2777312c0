import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Tracing } from '../observability/trace.ts'
import type { Admission, Admit } from './admission.ts'
import type { Backend } from './backends.ts'
import { type Arrival, Call, loadOf } from './call.ts'
import { describeExcess } from './call-limits.ts'
import { CallTrace } from './call-trace.ts'
import type { Connections } from './connections.ts'
import { type CrossOrigin, isPreflight, renderPreflight } from './cross-origin.ts'
import type { Failure } from './failures.ts'
import type { RequestHead } from './headers.ts'
import { noteEnded, noteLimited } from './observer.ts'
import { type PassageOptions, pass } from './passage.ts'
import type { Challenges } from './protected-resource.ts'
import { createShares, type Share, type ShareLimits } from './shares.ts'

/** What answers a request of the public listener. */
export type Handler = (req: IncomingMessage, res: ServerResponse) => void

export type HandlerOptions = {
  readHead: (rawHeaders: readonly string[]) => RequestHead
  crossOrigin: CrossOrigin
  admission: Admit
  connections: Connections
  limits: ProxyLimits
  createCorrelationId: () => string
  /** How long a client's connection may rest. */
  keepAliveMs: number
  tracing?: Tracing
} & Omit<PassageOptions, 'bodyLimit'>

export type ProxyLimits = {
  /** Of a request's body. */
  bodyBytes: number
  /** Calls that are on their way to any backend or back. */
  inFlight: number
  /** Streams that only listen. */
  streams: number
} & Partial<ShareLimits>

/**
 * Makes the handlers of the MCP endpoints. A request was matched by the listener, on the exact path; then its origin is checked, it is admitted, counted, and passed
 * on. Where its token is known nothing here waits.
 */
export function createHandlers(
  options: HandlerOptions,
): (backend: Backend, challenges: Challenges) => Handler {
  const { readHead, crossOrigin, refusals, createCorrelationId, tracing } = options
  const admit = createAdmit(options)
  const begin = createBegin(options)
  // Some clients open a new connection after a few seconds unless they are told.
  const keepAlive = ['keep-alive', `timeout=${Math.floor(options.keepAliveMs / 1000)}`]
  const passage = { ...options, bodyLimit: options.limits.bodyBytes }

  const start = (arrival: Arrival, claims: Claims): void => {
    // It may have left while its token was verified; nobody would say so again.
    if (arrival.req.socket.destroyed) {
      noteEnded(arrival, 'abandoned')
      return
    }
    const call = begin(arrival, claims)
    if (call) pass(call, passage)
  }

  const handle = (arrival: Arrival): void => {
    const { req, res, head } = arrival
    if (isPreflight(req.method, head.origin, head.requestedMethod)) {
      renderPreflight(res, arrival.crossOrigin, head.requestedHeaders)
      return
    }
    const known = admit.peek(arrival)
    if (known?.outcome === 'admitted') start(arrival, known.claims)
    else {
      admit
        .resolve(arrival, known)
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
      keepAlive: res.shouldKeepAlive ? keepAlive : [],
    }
    if (tracing) arrival.trace = new CallTrace(tracing, arrival)
    if (!fields) return refusals.refuse(arrival, 'forbiddenOrigin', { reason: 'not allowed' })
    handle(arrival)
  }
}

type Claims = Call['claims']

/** Admission, with what it refuses answered. `peek` answers nothing where the token must be verified first; its answer is handed on, so that each call looks once. */
function createAdmit({ admission, refusals }: HandlerOptions): {
  peek(arrival: Arrival): Admission | undefined
  resolve(arrival: Arrival, known: Admission | undefined): Promise<Claims | undefined>
} {
  return {
    peek({ head, backend, search }) {
      if (head.isAmbiguous || carriesToken(search)) return undefined
      return admission.peek(head.authorization, backend.resource)
    },
    async resolve(arrival, known) {
      const { head, backend, search } = arrival
      if (head.isAmbiguous || carriesToken(search)) {
        const reason = head.isAmbiguous ? 'repeated field' : 'token in the query'
        refusals.refuse(arrival, 'ambiguousCredentials', { reason })
        return undefined
      }
      const outcome = known ?? (await admission.resolve(head.authorization, backend.resource))
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
    shares.release(call.share, call.load)
    connections.leave(call)
  }

  const findObstacle = (arrival: Arrival, share: Share): [Failure, string] | undefined => {
    const { req, head } = arrival
    const load = loadOf(arrival)
    // Its answer would show the client the very fields that we inject (RFC 9110 section 9.3.8).
    if (req.method === 'TRACE') return ['methodNotAllowed', 'TRACE']
    if (underWay[load] >= room[load]) return ['overloaded', `${underWay[load]} ${load} under way`]
    const excess = shares.findExcess(share, load)
    if (excess) return [excess, `too many ${load} of one user at once`]
    if ((head.contentLength ?? 0) > limits.bodyBytes) return ['bodyTooLarge', 'declared']
    return undefined
  }

  return (arrival, claims) => {
    const share = shares.find(claims.subject)
    const obstacle = findObstacle(arrival, share)
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
    const call = new Call(arrival, claims, share, release)
    underWay[call.load] += 1
    shares.take(share, call.load)
    connections.join(arrival.req.socket, call)
    return call
  }
}

function searchOf(url: string): string {
  const start = url.indexOf('?')
  return start === -1 ? '' : url.slice(start)
}

/** A token in a URL ends up in logs; it is refused even where it would be ignored. RFC 9700 section 4.3.2. */
function carriesToken(search: string): boolean {
  return search !== '' && new URLSearchParams(search).has('access_token')
}

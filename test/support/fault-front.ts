import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as openRequest,
  type ServerResponse,
} from 'node:http'
import { buffer } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import type { SecretsLog } from './secrets-log.ts'

export type IdpEndpoint = 'authorize' | 'token' | 'discovery' | 'jwks' | 'revocation' | 'other'

/**
 * What goes wrong.
 *
 * - `hang`: takes the request and never answers; the IdP does not see it.
 * - `status`: answers so; the IdP does not see it.
 * - `error`: an OAuth error response; the IdP does not see it.
 * - `html`: what a firewall answers; the IdP does not see it.
 * - `reset`: TCP reset instead of an answer; the IdP does not see it.
 * - `drop-after-rotate`: the IdP refreshes, and its answer is lost with the connection. Other requests pass.
 * - `slow`: the IdP works at once, and its answer arrives `ms` later.
 * - `rewrite`: fields of the IdP's JSON answer are set; those that are `undefined` are left out.
 */
export type FaultKind =
  | { kind: 'hang' }
  | { kind: 'status'; status: number; retryAfterSeconds?: number }
  | {
      kind: 'error'
      error: string
      status?: number
      fields?: Record<string, string>
      /** How long the answer takes. */
      ms?: number
    }
  | { kind: 'html'; status?: number }
  | { kind: 'reset' }
  | { kind: 'drop-after-rotate' }
  | { kind: 'slow'; ms: number }
  | { kind: 'rewrite'; fields: Record<string, unknown> }

export type Fault = FaultKind & {
  endpoint: IdpEndpoint | 'all'
  /** How many requests it meets; all until it is cleared where this is missing. */
  times?: number
}

/** `results` counts by the answer of the IdP: `ok`, an OAuth error code, or `fault:<kind>` where it did not get to see the request, or `dropped`. */
export type TokenCounts = { requests: number; results: Record<string, number> }

export type IdpCounts = {
  authorize: number
  discovery: number
  jwks: number
  revocation: number
  code: TokenCounts
  refresh: TokenCounts
}

export type FaultFront = {
  counts: IdpCounts
  setFault(fault: Fault): void
  clearFaults(): void
  serve(request: IncomingMessage, response: ServerResponse): Promise<void>
}

type Answer = { status: number; headers: IncomingHttpHeaders; body: Buffer }

const FOR_GATEWAY: ReadonlySet<IdpEndpoint> = new Set(['token', 'revocation'])

const ENDPOINTS: readonly [RegExp, IdpEndpoint][] = [
  [/^\/auth$/, 'authorize'],
  [/^\/token$/, 'token'],
  [/^\/\.well-known\//, 'discovery'],
  [/^\/jwks$/, 'jwks'],
  [/^\/token\/revocation$/, 'revocation'],
]

/**
 * Stands in front of an IdP, counts what comes, and makes go wrong what it is told to.
 *
 * @param inner origin of the IdP's own listener
 * @param secrets learns every secret that passes between the gateway and the IdP
 */
export function createFaultFront(inner: string, secrets?: SecretsLog): FaultFront {
  const counts = createCounts()
  let faults: { fault: Fault; left: number }[] = []
  const takeFault = (endpoint: IdpEndpoint, isRefresh: boolean): Fault | undefined => {
    const armed = faults.find(
      ({ fault, left }) =>
        left > 0 &&
        (fault.endpoint === 'all' || fault.endpoint === endpoint) &&
        (fault.kind !== 'drop-after-rotate' || isRefresh),
    )
    if (armed) armed.left -= 1
    return armed?.fault
  }
  return {
    counts,
    setFault: fault => {
      faults.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY })
    },
    clearFaults: () => {
      faults = []
    },
    serve: async (request, response) => {
      const body = await buffer(request)
      const endpoint = endpointOf(request)
      const tokenCounts = countRequest(counts, endpoint, body)
      if (FOR_GATEWAY.has(endpoint)) secrets?.addForm(new URLSearchParams(body.toString()))
      const fault = takeFault(endpoint, tokenCounts === counts.refresh)
      if (fault && isBeforeIdp(fault)) {
        countResult(tokenCounts, `fault:${fault.kind}`)
        return failBefore(fault, response)
      }
      const answer = await askIdp(inner, request, body)
      const result = resultOf(answer)
      if (endpoint === 'token') secrets?.addTokens(JSON.parse(answer.body.toString()))
      const isDropped = fault?.kind === 'drop-after-rotate' && result === 'ok'
      countResult(tokenCounts, isDropped ? 'dropped' : result)
      if (isDropped) return void response.destroy()
      if (fault?.kind === 'slow') await pause(fault.ms, undefined, { ref: false })
      const { status, headers, body: sent } = rewrite(answer, fault)
      response.writeHead(status, headers).end(sent)
    },
  }
}

function rewrite(answer: Answer, fault: Fault | undefined): Answer {
  if (fault?.kind !== 'rewrite') return answer
  const { 'content-length': _length, ...headers } = answer.headers
  const changed = { ...JSON.parse(answer.body.toString()), ...fault.fields }
  return { status: answer.status, headers, body: Buffer.from(JSON.stringify(changed)) }
}

function createCounts(): IdpCounts {
  const none = () => ({ requests: 0, results: {} })
  return { authorize: 0, discovery: 0, jwks: 0, revocation: 0, code: none(), refresh: none() }
}

function endpointOf(request: IncomingMessage): IdpEndpoint {
  const path = request.url?.split('?')[0] ?? ''
  return ENDPOINTS.find(([pattern]) => pattern.test(path))?.[1] ?? 'other'
}

function countRequest(
  counts: IdpCounts,
  endpoint: IdpEndpoint,
  body: Buffer,
): TokenCounts | undefined {
  if (endpoint === 'other') return undefined
  if (endpoint !== 'token') {
    counts[endpoint] += 1
    return undefined
  }
  const grantType = new URLSearchParams(body.toString()).get('grant_type')
  const tokenCounts = grantType === 'refresh_token' ? counts.refresh : counts.code
  tokenCounts.requests += 1
  return tokenCounts
}

function countResult(counts: TokenCounts | undefined, result: string): void {
  if (counts) counts.results[result] = (counts.results[result] ?? 0) + 1
}

function resultOf({ status, body }: Answer): string {
  if (status === 200) return 'ok'
  try {
    return String(JSON.parse(body.toString()).error)
  } catch {
    return `status ${status}`
  }
}

function isBeforeIdp(fault: Fault): boolean {
  return !['drop-after-rotate', 'slow', 'rewrite'].includes(fault.kind)
}

async function failBefore(fault: Fault, response: ServerResponse): Promise<void> {
  switch (fault.kind) {
    case 'reset':
      response.socket?.resetAndDestroy()
      return
    case 'html':
      response.writeHead(fault.status ?? 403, { 'content-type': 'text/html' })
      response.end('<!doctype html><title>Blocked</title><p>The request was blocked.</p>')
      return
    case 'status':
      if (fault.retryAfterSeconds !== undefined) {
        response.setHeader('retry-after', fault.retryAfterSeconds)
      }
      response.writeHead(fault.status).end()
      return
    case 'error':
      await pause(fault.ms ?? 0, undefined, { ref: false })
      response.writeHead(fault.status ?? 400, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ error: fault.error, ...fault.fields }))
      return
    default:
  }
}

async function askIdp(inner: string, request: IncomingMessage, body: Buffer): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  openRequest(new URL(request.url ?? '/', inner), {
    method: request.method ?? 'GET',
    headers: withoutHop(request.headers),
    agent: false,
  })
    .on('response', resolve)
    .on('error', reject)
    .end(body)
  const incoming = await promise
  return {
    status: incoming.statusCode ?? 0,
    headers: withoutHop(incoming.headers),
    body: await buffer(incoming),
  }
}

function withoutHop(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const { connection, 'keep-alive': keepAlive, 'transfer-encoding': encoding, ...rest } = headers
  return rest
}

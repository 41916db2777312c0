import { createServer, type IncomingMessage } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { listen } from '../../src/dev/listen.ts'

/** A request as it reached a backend. */
export type RecordedRequest = {
  method: string
  url: string
  /** Names and values by turns, as they came. */
  rawHeaders: readonly string[]
  body: string
  /** `aborted` as soon as the other side has gone before the answer was complete. */
  outcome: 'open' | 'answered' | 'aborted'
}

export type BackendOptions = {
  /** 0, the default, for any free one. */
  port?: number
  /** The name that `whoami` answers. */
  instance: string
  path?: string
  /** Whether a bearer token is good; one that is not, or none, is answered with 401. */
  requireToken?: (token: string | undefined) => boolean
  /** Sent with every answer, such as a `Set-Cookie` that must not reach the client. */
  headers?: Record<string, string>
}

export type RecordingBackend = {
  url: string
  instance: string
  requests: RecordedRequest[]
  /** How often the tool `record_call` ran here. */
  recordedCalls(): number
  /** Takes the place of the option. */
  requireToken(check: (token: string | undefined) => boolean): void
  close(): Promise<void>
}

/** What a backend's MCP server is given for one request. `gone` fires when the response is over, complete or not. */
export type Exchange = { request: Request; gone: AbortSignal; recordCall(): number }

/** Starts the HTTP side of a test backend: records what comes, refuses tokens, hands the rest to `answer`. */
export async function startRecordingBackend(
  options: BackendOptions,
  answer: (exchange: Exchange) => Promise<Response>,
): Promise<RecordingBackend> {
  const { instance, path = '/mcp' } = options
  const requests: RecordedRequest[] = []
  let isGood = options.requireToken ?? (() => true)
  let calls = 0

  async function serve(request: Request, incoming: IncomingMessage, gone: AbortSignal) {
    const recorded = requests.find(({ rawHeaders }) => rawHeaders === incoming.rawHeaders)
    const body = await request.text()
    if (recorded) recorded.body = body
    if (new URL(request.url).pathname !== path) return new Response(null, { status: 404 })
    if (!isGood(bearerOf(request))) return refuse()
    const { method, headers, signal } = request
    const copy = new Request(request.url, { method, headers, signal, ...(body && { body }) })
    return answer({ request: copy, gone, recordCall: () => ++calls })
  }

  const server = createServer((incoming, outgoing) => {
    const recorded = recordOf(incoming)
    requests.push(recorded)
    const gone = new AbortController()
    outgoing.on('close', () => {
      recorded.outcome = outgoing.writableFinished ? 'answered' : 'aborted'
      gone.abort()
    })
    for (const [name, value] of Object.entries(options.headers ?? {})) {
      outgoing.setHeader(name, value)
    }
    const listener = getRequestListener(request => serve(request, incoming, gone.signal), {
      overrideGlobalObjects: false,
    })
    void listener(incoming, outgoing)
  })
  const { origin, close } = await listen(server, options.port ?? 0, '127.0.0.1')
  return {
    url: origin + path,
    instance,
    requests,
    recordedCalls: () => calls,
    requireToken: check => {
      isGood = check
    },
    close,
  }
}

/** The values of a field, whatever the case of its name. */
export function fieldValues(request: RecordedRequest, name: string): string[] {
  return request.rawHeaders.filter(
    (_, index, list) => index % 2 === 1 && list[index - 1]?.toLowerCase() === name.toLowerCase(),
  )
}

function recordOf(incoming: IncomingMessage): RecordedRequest {
  const { method = '', url = '', rawHeaders } = incoming
  return { method, url, rawHeaders, body: '', outcome: 'open' }
}

function bearerOf(request: Request): string | undefined {
  return /^Bearer (\S+)$/.exec(request.headers.get('authorization') ?? '')?.[1]
}

function refuse(): Response {
  const headers = { 'www-authenticate': 'Bearer realm="backend", error="invalid_token"' }
  return new Response(null, { status: 401, headers })
}

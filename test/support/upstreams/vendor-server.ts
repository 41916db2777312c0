import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { listen } from '../../../src/dev/listen.ts'

/** A request as it reached a vendor. */
export type VendorRequest = {
  method: string
  path: string
  query: Record<string, string>
  /** Of a form body. */
  form: Record<string, string>
  headers: IncomingMessage['headers']
  body: string
}

/** `drop` breaks the connection, the work being done. */
export type VendorAnswer =
  | { status?: number; json: unknown; headers?: Record<string, string> }
  | { status?: number; body: string | Buffer; headers: Record<string, string | string[]> }
  | { redirect: string }
  | { drop: true }

/** Answers instead of the vendor, or with what it has answered; `undefined` lets it be. */
export type Interception = (
  request: VendorRequest,
  proceed: () => Promise<VendorAnswer>,
) => Promise<VendorAnswer | undefined> | VendorAnswer | undefined

/** What every emulator has. */
export type VendorServer = {
  origin: string
  /** Every request, oldest first. */
  requests: VendorRequest[]
  /** Those of the last part of their path, such as `token`. */
  requestsTo(endpoint: string): VendorRequest[]
  /** Stands in front of the vendor until it is replaced. */
  intercept(interception: Interception | undefined): void
  /** Takes requests to the vendor's own hosts here; every other one goes where it goes. */
  send: typeof fetch
  /** Where a browser finds a page of the vendor's own hosts. */
  reroute(url: string): string
  close(): Promise<void>
}

/**
 * Starts the HTTP side of an emulator.
 *
 * @param hosts the vendor's own; their requests are told apart by `x-vendor-host`
 */
export async function startVendorServer(
  hosts: readonly string[],
  handle: (request: VendorRequest, origin: string) => Promise<VendorAnswer> | VendorAnswer,
): Promise<VendorServer> {
  const requests: VendorRequest[] = []
  let interception: Interception | undefined

  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const request = await read(incoming)
    requests.push(request)
    const proceed = async () => handle(request, origin)
    const answer = (await interception?.(request, proceed)) ?? (await proceed())
    send(answer, outgoing)
  }
  const server = createServer((incoming, outgoing) => {
    serve(incoming, outgoing).catch(error => {
      outgoing.writeHead(599, { 'content-type': 'text/plain' }).end(String(error?.stack))
    })
  })
  const { origin, close } = await listen(server, 0, '127.0.0.1')
  const reroute = (url: string): string => {
    const { host, pathname, search } = new URL(url)
    return hosts.includes(host) ? origin + pathname + search : url
  }
  return {
    origin,
    requests,
    requestsTo: endpoint => requests.filter(({ path }) => path.endsWith(`/${endpoint}`)),
    intercept: next => {
      interception = next
    },
    send: (url, init) => {
      const { host } = new URL(String(url))
      const headers = new Headers(init?.headers)
      if (hosts.includes(host)) headers.set('x-vendor-host', host)
      return fetch(reroute(String(url)), { ...init, headers })
    },
    reroute,
    close,
  }
}

async function read(incoming: IncomingMessage): Promise<VendorRequest> {
  const { pathname, searchParams } = new URL(incoming.url ?? '/', 'http://vendor.invalid')
  const body = await text(incoming)
  const isForm = incoming.headers['content-type']?.startsWith('application/x-www-form-urlencoded')
  return {
    method: incoming.method ?? '',
    path: pathname,
    query: Object.fromEntries(searchParams),
    form: isForm ? Object.fromEntries(new URLSearchParams(body)) : {},
    headers: incoming.headers,
    body,
  }
}

function send(answer: VendorAnswer, outgoing: ServerResponse): void {
  if ('drop' in answer) {
    outgoing.destroy()
  } else if ('redirect' in answer) {
    outgoing.writeHead(302, { location: answer.redirect }).end()
  } else if ('json' in answer) {
    const headers = { 'content-type': 'application/json; charset=utf-8', ...answer.headers }
    outgoing.writeHead(answer.status ?? 200, headers).end(JSON.stringify(answer.json))
  } else {
    outgoing.writeHead(answer.status ?? 200, answer.headers).end(answer.body)
  }
}

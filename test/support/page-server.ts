import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Page } from '../../src/http/pages/layout.ts'

export type Posted = { path: string; origin: string | undefined; fields: Record<string, string> }

export type PageServer = {
  origin: string
  /** What forms have sent, in order. */
  posted: Posted[]
  close(): Promise<void>
}

/** Serves ready pages by path, answers any other GET with 404, and remembers what is posted. */
export async function servePages(pages: Readonly<Record<string, Page>>): Promise<PageServer> {
  const posted: Posted[] = []
  const server = createServer((request, response) => {
    if (request.method === 'POST') void receive(request, response, posted)
    else answer(pages[request.url ?? ''], response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    posted,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function answer(page: Page | undefined, response: ServerResponse): void {
  if (page) response.writeHead(200, page.headers).end(page.html)
  else response.writeHead(404).end()
}

async function receive(request: IncomingMessage, response: ServerResponse, posted: Posted[]) {
  let body = ''
  for await (const chunk of request) body += chunk
  const fields = Object.fromEntries(new URLSearchParams(body))
  posted.push({ path: request.url ?? '', origin: request.headers.origin, fields })
  response.writeHead(200, { 'Content-Type': 'text/html' }).end('<title>received</title>')
}

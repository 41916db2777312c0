import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { decodeJwt } from 'jose'
import { listen } from '../../src/dev/listen.ts'

/** A call as it reached the backend. */
export type SeenCall = { token: string; search: string; status: number; at: number }

/** A backend that takes every token that has not expired, unless it is told otherwise, and is as quick as can be. */
export type PlainBackend = {
  url: string
  calls: SeenCall[]
  /** From now on a token that does not pass is answered with 401. Expired ones always are. */
  accept(isGood: (token: string) => boolean): void
  close(): Promise<void>
}

const PATH = '/mcp'
const ANSWER = '{"jsonrpc":"2.0","id":1,"result":{}}'

export async function startPlainBackend(): Promise<PlainBackend> {
  const calls: SeenCall[] = []
  /** One copy of each token, however often it comes. */
  const tokens = new Map<string, string>()
  let isGood = (_token: string): boolean => true

  const serve = (req: IncomingMessage, res: ServerResponse): void => {
    const token = bearerOf(req, tokens)
    const status = isUnexpired(token) && isGood(token) ? 200 : 401
    calls.push({ token, search: req.url?.split('?')[1] ?? '', status, at: Date.now() / 1000 })
    req.resume()
    req.on('end', () => {
      if (status === 401) return void res.writeHead(401, { 'www-authenticate': 'Bearer' }).end()
      res.writeHead(200, { 'content-type': 'application/json' }).end(ANSWER)
    })
  }
  const { origin, close } = await listen(createServer(serve), 0, '127.0.0.1')
  return {
    url: origin + PATH,
    calls,
    accept: check => {
      isGood = check
    },
    close,
  }
}

function bearerOf(req: IncomingMessage, tokens: Map<string, string>): string {
  const presented = req.headers.authorization?.replace(/^Bearer /, '') ?? ''
  const known = tokens.get(presented)
  if (known !== undefined) return known
  tokens.set(presented, presented)
  return presented
}

function isUnexpired(token: string): boolean {
  try {
    return (decodeJwt(token).exp ?? 0) > Date.now() / 1000
  } catch {
    return false
  }
}

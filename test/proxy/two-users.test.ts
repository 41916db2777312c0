/** Two users behind one load balancer, which sends the requests of both over the same connections. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { createAdmission } from '../../src/proxy/admission.ts'
import { claims, NOW, RawClient, startBackend, startGateway, usable } from './support.ts'

const CONNECTIONS = 4
const REQUESTS = 20
const WAVES = 8

/** Says whose token it got and what it was asked, in each of the ways in which an answer can travel, after a while. */
function answer(req: IncomingMessage, res: ServerResponse, body: string): void {
  const said = `[${req.headers.authorization} ${body}]`
  const kind = Number(/\d+/.exec(body)?.[0]) % 5
  setTimeout(() => {
    if (kind === 0) res.writeHead(200, { 'content-length': said.length }).end(said)
    else if (kind === 1) {
      res.writeHead(200).write('in two pieces: ')
      setImmediate(() => res.end(said))
    } else if (kind === 2) res.end(said.padEnd(20_000))
    else if (kind === 3 && !req.headers.authorization?.includes('fresh')) res.writeHead(401).end()
    else res.writeHead(200, { 'content-type': 'text/event-stream' }).end(`data: ${said}\n\n`)
  }, Math.random() * 5)
}

test('two users on the same connections get their own answers, made with their own tokens, in their order', async () => {
  const backend = await startBackend(answer)
  const gateway = await startGateway({
    instances: [backend.url],
    proxy: {
      limits: { bodyBytes: 1000, inFlight: 10_000, streams: 10_000 },
      admission: createAdmission({
        verifyAccessToken: async token => claims({ grantId: token, subject: token }),
        now: () => NOW,
      }),
    },
    tokens: {
      // Cold now and then, so that what waits and what does not are mixed.
      peek: grantId => (Math.random() < 0.7 ? usable(`upstream-of-${grantId}`) : undefined),
      resolve: async grantId => {
        await new Promise(resolve => setTimeout(resolve, Math.random() * 5))
        return usable(`upstream-of-${grantId}`)
      },
      resolveAfterRejection: async grantId => usable(`fresh-upstream-of-${grantId}`),
    },
  })
  const clients = Array.from({ length: CONNECTIONS }, () => new RawClient(gateway.port))
  for (let wave = 0; wave < WAVES; wave += 1) {
    const sent = clients.map((client, connection) => send(client, `on ${connection} in ${wave}`))
    for (const [index, client] of clients.entries()) {
      const asked = sent[index] ?? []
      await client.until(`${asked.at(-1)?.body}]`)
      const answers = [...client.received.matchAll(/\[Bearer (\S+) ([^\]]+)\]/g)]
      expect(answers.map(([, token, body]) => [token?.replace('fresh-', ''), body])).toEqual(
        asked.map(({ user, body }) => [`upstream-of-${user}`, body]),
      )
      client.received = ''
    }
  }
  // By what the backend saw, too, no request went out with another's token.
  for (const { rawHeaders, body } of backend.seen) {
    const token =
      rawHeaders[rawHeaders.findIndex(name => name.toLowerCase() === 'authorization') + 1]
    expect(token?.replace('fresh-', '')).toBe(`Bearer upstream-of-${/of (\w+)/.exec(body)?.[1]}`)
  }
})

/** All at once, before the first is answered. */
function send(client: RawClient, where: string): { user: string; body: string }[] {
  return Array.from({ length: REQUESTS }, (_, number) => {
    const user = Math.random() < 0.5 ? 'ann' : 'bob'
    const body = `${number} of ${user} ${where}`
    const head = ['POST /crm/mcp HTTP/1.1', 'Host: a', `Authorization: Bearer ${user}`]
    client.send(...head, `Content-Length: ${body.length}`, '', body)
    return { user, body }
  })
}

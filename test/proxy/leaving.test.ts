import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import {
  DEAF,
  eventually,
  GOOD_TOKEN,
  RawClient,
  slowAdmission,
  startBackend,
  startGateway,
} from './support.ts'

/** The requests that reach the servers of this process. */
function watchRequests(): IncomingMessage[] {
  const channel = 'http.server.request.start'
  const requests: IncomingMessage[] = []
  const note = (message: unknown): void => {
    requests.push((message as { request: IncomingMessage }).request)
  }
  subscribe(channel, note)
  onTestFinished(() => void unsubscribe(channel, note))
  return requests
}

test.each([
  ['all of its body', ['Content-Length: 2', '', '{}']],
  ['a part of its body', ['Content-Length: 9', '', '{}']],
  ['no body', ['Content-Length: 0', '', '']],
])(
  'a client that leaves while its token is verified, having sent %s, leaves nothing behind',
  async (_what, rest) => {
    const backend = await startBackend()
    const { admission, isAsked, verify } = slowAdmission()
    const outcomes: string[] = []
    const ended = (_method: string, _tool: string | undefined, outcome: string) =>
      void outcomes.push(outcome)
    const { port, proxy } = await startGateway({
      instances: [backend.url],
      proxy: { admission, observe: () => ({ ...DEAF, ended }) },
    })
    const requests = watchRequests()
    const client = new RawClient(port).send(
      ...['POST /crm/mcp HTTP/1.1', 'Host: a', 'Authorization: Bearer slow', ...rest],
    )
    await isAsked()
    const noticed = once(requests[0]!.socket, 'close')
    client.socket.destroy()
    await noticed
    verify()
    await eventually(() => outcomes.length > 0, 'the call is over')
    expect(outcomes).toEqual(['abandoned'])
    expect(proxy.state().callsInFlight).toBe(0)
    expect(backend.seen).toEqual([])
  },
)

test('a client that leaves in the middle of its body leaves nothing behind', async () => {
  const backend = await startBackend()
  const { port, proxy } = await startGateway({ instances: [backend.url] })
  const fields = ['Host: a', `Authorization: Bearer ${GOOD_TOKEN}`, 'Content-Length: 9']
  const client = new RawClient(port).send('POST /crm/mcp HTTP/1.1', ...fields, '', '{}')
  await eventually(() => proxy.state().callsInFlight === 1, 'the call begins')
  client.socket.destroy()
  await eventually(() => proxy.state().callsInFlight === 0, 'the call ends')
  expect(backend.seen).toEqual([])
})

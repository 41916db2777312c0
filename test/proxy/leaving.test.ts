import { expect, test } from 'vitest'
import { createAdmission } from '../../src/proxy/admission.ts'
import { claims, eventually, GOOD_TOKEN, RawClient, startBackend, startGateway } from './support.ts'

test.each([
  ['all of its body', ['Content-Length: 2', '', '{}']],
  ['a part of its body', ['Content-Length: 9', '', '{}']],
  ['no body', ['Content-Length: 0', '', '']],
])(
  'a client that leaves while its token is verified, having sent %s, leaves nothing behind',
  async (_what, rest) => {
    const verifying = Promise.withResolvers<void>()
    let asked = 0
    const backend = await startBackend()
    const admission = createAdmission({
      verifyAccessToken: async () => {
        asked += 1
        await verifying.promise
        return claims({})
      },
      now: () => 0,
    })
    const { port, proxy } = await startGateway({ instances: [backend.url], proxy: { admission } })
    const client = new RawClient(port).send(
      ...['POST /crm/mcp HTTP/1.1', 'Host: a', 'Authorization: Bearer slow', ...rest],
    )
    await eventually(() => asked === 1, 'the token is looked at')
    client.socket.destroy()
    await new Promise(resolve => setTimeout(resolve, 50))
    verifying.resolve()
    await new Promise(resolve => setTimeout(resolve, 50))
    expect(proxy.state().callsInFlight).toBe(0)
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

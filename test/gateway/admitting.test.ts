import { expect, onTestFinished, test } from 'vitest'
import { startGateway } from '../../src/gateway.ts'
import { createLogger } from '../../src/observability/log.ts'
import { readTree } from '../config/support.ts'
import { ask, eventually, startBackend } from '../proxy/support.ts'
import { GATEWAY_CLIENT, startExternalIssuer } from '../support/external-issuer.ts'
import { findFreePort } from '../support/free-port.ts'

test('a call whose token is verified while the configuration is replaced is answered', async () => {
  const [issuer, backend, port] = [
    await startExternalIssuer(),
    await startBackend(),
    await findFreePort(),
  ]
  const publicUrl = `http://127.0.0.1:${port}`
  const config = readTree({
    publicUrl,
    ...{ listen: { host: '127.0.0.1', port }, ops: { port: await findFreePort() } },
    ...{ auth: 'external', drain: { delay: '0s', deadline: '1s' } },
    authorizationServer: { issuer: issuer.issuer, introspection: GATEWAY_CLIENT },
    backends: [
      { path: '/crm/mcp', instances: [backend.url], credential: 'none', scopes: ['crm.read'] },
    ],
  })
  const released = Promise.withResolvers<void>()
  let isAsked = false
  const send: typeof fetch = async (input, init) => {
    if (String(input).endsWith('/introspection')) {
      isAsked = true
      await released.promise
    }
    return fetch(input, init)
  }
  const gateway = await startGateway(config, [], createLogger('silent'), { send })
  onTestFinished(() => gateway.drain())
  const token = issuer.issue(issuer.claims(`${publicUrl}/crm/mcp`))
  const asked = ask({ port }, { token, body: '{}' })
  await eventually(() => isAsked, 'its token is verified')
  gateway.reload(config, [])
  // Longer than a configuration that is idle waits for its end.
  setTimeout(released.resolve, 3500)
  expect(await asked).toMatchObject({ status: 200 })
  expect(backend.seen).toHaveLength(1)
})

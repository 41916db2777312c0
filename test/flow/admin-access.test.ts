import { expect, it, onTestFinished } from 'vitest'
import { findFreePorts } from '../support/free-port.ts'
import { startGateway } from '../support/gateway-process.ts'

const TOKEN = 'operator-token-of-this-test'

async function start(ops: Record<string, unknown>) {
  const [port, opsPort] = await findFreePorts(2)
  const gateway = await startGateway({
    config: {
      publicUrl: `http://127.0.0.1:${port}`,
      listen: { host: '127.0.0.1', port },
      ops: { port: opsPort, ...ops },
      upstream: {
        ...{ provider: 'oidc', issuer: 'http://127.0.0.1:1' },
        ...{ clientId: 'gateway', clientSecret: 'secret' },
      },
      backends: [{ path: '/crm/mcp', instances: ['http://127.0.0.1:1/mcp'] }],
    },
  })
  onTestFinished(gateway.kill)
  const ask = (headers: Record<string, string> = {}) =>
    fetch(`${gateway.opsOrigin}/admin/config`, { headers })
  return { gateway, ask }
}

it('there is no admin API where anybody could reach it, and one line says why', async () => {
  const { gateway, ask } = await start({ host: '0.0.0.0' })
  expect((await ask()).status).toBe(404)
  await expect.poll(gateway.logs).toContain('no admin API')
  expect(gateway.logs().split('no admin API')).toHaveLength(2)
})

it('with a token there is one, for whoever has it; the configuration that it shows does not', async () => {
  const { gateway, ask } = await start({ host: '0.0.0.0', token: TOKEN })
  expect((await ask()).status).toBe(401)
  const response = await ask({ authorization: `Bearer ${TOKEN}` })
  expect(response.status).toBe(200)
  const text = await response.text()
  expect(text).toContain('token: "[redacted]"')
  expect(text + gateway.logs()).not.toContain(TOKEN)
})

it('on loopback it needs no token', async () => {
  const { ask } = await start({})
  expect((await ask()).status).toBe(200)
})

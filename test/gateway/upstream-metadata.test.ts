import { Writable } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { resolveUpstreams } from '../../src/gateway/upstreams.ts'
import { startGateway } from '../../src/gateway.ts'
import { createLogger } from '../../src/observability/log.ts'
import { readTree } from '../config/support.ts'
import { eventually } from '../proxy/support.ts'
import { findFreePorts } from '../support/free-port.ts'

const METADATA = 'https://idp.example.com/.well-known/openid-configuration'

function upstream(issuer: string) {
  return { provider: 'oidc', issuer, clientId: 'gateway', clientSecret: 'secret' }
}

function found(issuer: string): Response {
  const [authorization_endpoint, token_endpoint] = [`${issuer}/authorize`, `${issuer}/token`]
  return Response.json({ issuer, authorization_endpoint, token_endpoint })
}

/** A gateway whose requests to identity providers `send` takes. */
async function setUp(send: (url: string) => Response | Promise<Response>, upstreams: object) {
  const [port, opsPort] = await findFreePorts(2)
  const lines: Record<string, unknown>[] = []
  const write: Writable['_write'] = (chunk, _encoding, done) => {
    lines.push(JSON.parse(String(chunk)))
    done()
  }
  const asked: string[] = []
  const configure = (more: object) =>
    readTree({
      publicUrl: `http://127.0.0.1:${port}`,
      ...{ listen: { host: '127.0.0.1', port }, ops: { port: opsPort } },
      drain: { delay: '0s', deadline: '1s' },
      ...more,
    })
  const config = configure(upstreams)
  const logger = createLogger('info', new Writable({ write }))
  const gateway = await startGateway(config, resolveUpstreams(config), logger, {
    send: async input => {
      asked.push(String(input))
      return send(String(input))
    },
  })
  onTestFinished(() => gateway.drain())
  const warnings = () => lines.filter(({ level, upstream: of }) => level === 'warn' && of)
  const reload = (more: object) => {
    const next = configure(more)
    return gateway.reload(next, resolveUpstreams(next))
  }
  return { warnings, asked, reload, ops: `http://127.0.0.1:${opsPort}` }
}

const BACKENDS = { backends: [{ path: '/crm/mcp', instances: ['http://127.0.0.1:1/mcp'] }] }

describe('the metadata of identity providers', () => {
  test('a start with an issuer that publishes another one says so', async () => {
    const one = { ...BACKENDS, upstream: upstream('https://idp.example.com') }
    const { warnings, asked } = await setUp(() => found('https://login.example.com'), one)
    await eventually(() => warnings().length > 0, 'it is told')
    expect(asked).toEqual([METADATA])
    expect(warnings()).toEqual([
      expect.objectContaining({
        upstream: 'default',
        issuer: 'https://idp.example.com',
        reason: 'their issuer is https://login.example.com',
        msg: expect.stringContaining('check the issuer'),
      }),
    ])
  })

  test('each of several is looked for, and one that is found is not told', async () => {
    const { warnings, asked } = await setUp(
      url => {
        if (url === METADATA) return found('https://idp.example.com')
        throw new TypeError('fetch failed', { cause: new Error('getaddrinfo ENOTFOUND') })
      },
      {
        upstreams: {
          staff: upstream('https://idp.example.com'),
          guests: upstream('https://typo.example.com'),
        },
        backends: [{ ...BACKENDS.backends[0], upstream: 'staff' }],
      },
    )
    await eventually(() => warnings().length > 0, 'it is told')
    expect(asked).toHaveLength(2)
    expect(warnings()).toEqual([
      expect.objectContaining({
        upstream: 'guests',
        reason: expect.stringContaining('fetch failed: getaddrinfo ENOTFOUND'),
      }),
    ])
  })

  test('nothing waits for it', async () => {
    const { promise, resolve } = Promise.withResolvers<Response>()
    const one = { ...BACKENDS, upstream: upstream('https://idp.example.com') }
    const { ops, warnings } = await setUp(() => promise, one)
    expect((await fetch(`${ops}/readyz`)).status).toBe(200)
    resolve(new Response('', { status: 503 }))
    await eventually(() => warnings().length > 0, 'it is told')
  })

  test('a reload to another issuer looks for that one', async () => {
    const one = { ...BACKENDS, upstream: upstream('https://idp.example.com') }
    const { asked, warnings, reload } = await setUp(url => {
      return url === METADATA ? found('https://idp.example.com') : new Response('', { status: 404 })
    }, one)
    await eventually(() => asked.length > 0, 'the first is asked')
    reload({ ...BACKENDS, upstream: upstream('https://typo.example.com') })
    await eventually(() => warnings().length > 0, 'it is told')
    expect(warnings()).toEqual([expect.objectContaining({ issuer: 'https://typo.example.com' })])
  })
})

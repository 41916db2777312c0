import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { findFreePort, findFreePorts } from '../support/free-port.ts'
import { startGateway } from '../support/gateway-process.ts'
import {
  type OtlpReceiver,
  type ReceivedSpan,
  startOtlpReceiver,
} from '../support/otlp-receiver.ts'
import { fieldValues } from '../support/recording-backend.ts'
import { waitFor } from '../support/wait-for.ts'
import { type Landscape, startLandscape } from './landscape.ts'
import { registerClient, signIn } from './oauth-client.ts'

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
const CALLER = 'b7ad6b7169203331'
const OTHER_TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736'
const ARGUMENT = 'an-argument-that-nobody-may-see'
const QUERY = 'a-query-that-nobody-may-see'

/** Sends one call of a tool to the legacy endpoint. */
async function callTool(
  { front }: Landscape,
  token: string,
  headers: Record<string, string> = {},
  meta?: Record<string, string>,
) {
  const params = { name: 'whoami', arguments: { secret: ARGUMENT }, ...(meta && { _meta: meta }) }
  const response = await fetch(`${front.origin}/legacy/mcp?q=${QUERY}`, {
    method: 'POST',
    headers: {
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      cookie: 'c=a-cookie-that-nobody-may-see',
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
  })
  await response.text()
  return response.status
}

describe('with a collector', () => {
  let receiver: OtlpReceiver
  let landscape: Landscape
  let token: string
  beforeAll(async () => {
    receiver = await startOtlpReceiver()
    landscape = await startLandscape({
      replicas: 1,
      // So short that the upstream's token is renewed in the run.
      idp: { accessTokenTtlSeconds: 3 },
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.origin,
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
        OTEL_SERVICE_NAME: 'gateway-under-test',
        OTEL_BSP_SCHEDULE_DELAY: '50',
      },
    })
    token = (await signIn(landscape, await registerClient(landscape))).accessToken
  }, 60_000)
  afterAll(async () => {
    await landscape?.close()
    await receiver?.close()
  })

  const spanOf = async (isIt: (span: ReceivedSpan) => boolean, what: string) =>
    (await waitFor(() => receiver.spans.find(isIt), { what, timeoutMs: 10_000 }))!
  const childrenOf = ({ spanId, traceId }: ReceivedSpan) =>
    receiver.spans.filter(span => span.parentSpanId === spanId && span.traceId === traceId)

  it('there is a span for each request to an endpoint, and one for what it asks the identity provider', async () => {
    for (const name of ['POST /register', 'GET /authorize', 'POST /consent', 'POST /token']) {
      const span = await spanOf(span => span.name === name, name)
      expect(span).toMatchObject({ kind: 'server', parentSpanId: '', isError: false })
    }
    const callback = await spanOf(({ name }) => name === 'GET /callback', 'the callback')
    await waitFor(() => childrenOf(callback).length > 0, { what: 'its child' })
    const asked = childrenOf(callback).find(({ name }) => name === 'POST')
    expect(asked).toMatchObject({
      kind: 'client',
      attributes: {
        'http.request.method': 'POST',
        'http.response.status_code': 200,
        'server.address': new URL(landscape.idp.issuer).hostname,
      },
    })
    expect(asked?.attributes['url.full']).toMatch(/^http:\/\/[^?#]+\/token$/)
    expect(callback.resource).toMatchObject({
      ...{ 'service.name': 'gateway-under-test', 'deployment.environment.name': 'test' },
      'service.version': expect.stringMatching(/^\d/),
      'service.instance.id': expect.stringMatching(/^[\da-f-]{36}$/),
    })
  })

  it('a call belongs to the trace of its caller’s field, and the backend to the attempt', async () => {
    const headers = { traceparent: `00-${TRACE_ID}-${CALLER}-01`, tracestate: 'vendor=1' }
    expect(await callTool(landscape, token, headers)).toBe(200)
    const call = await spanOf(({ parentSpanId }) => parentSpanId === CALLER, 'the call')
    expect(call).toMatchObject({
      name: 'tools/call whoami',
      kind: 'server',
      traceId: TRACE_ID,
      traceState: 'vendor=1',
      attributes: {
        'mcp.method.name': 'tools/call',
        'gen_ai.tool.name': 'whoami',
        'gen_ai.operation.name': 'execute_tool',
        'http.request.method': 'POST',
        'http.route': '/legacy/mcp',
        'http.response.status_code': 200,
        'mcp_gateway.backend': 'legacy',
      },
    })
    await waitFor(() => childrenOf(call).length > 0, { what: 'the attempt' })
    const [attempt, ...more] = childrenOf(call)
    expect(more).toEqual([])
    expect(attempt).toMatchObject({
      kind: 'client',
      attributes: { 'server.address': '127.0.0.1', 'http.response.status_code': 200 },
    })
    expect(attempt!.duration).toBeLessThanOrEqual(call.duration)
    const request = landscape.backends.legacy
      .flatMap(({ requests }) => requests)
      .find(one => fieldValues(one, 'tracestate').includes('vendor=1'))
    expect(fieldValues(request!, 'traceparent')).toEqual([`00-${TRACE_ID}-${attempt?.spanId}-01`])
    await expect.poll(landscape.logs).toContain(`"traceId":"${TRACE_ID}"`)
  })

  it.each([
    ['without that field', 1, undefined],
    ['with another in that field', 2, {}],
    // What the call is, is told by its fields: its body is read for its trace alone.
    ['with another in that field, of a client of today', 3, { 'mcp-method': 'tools/call' }],
  ])(
    'a call %s belongs to the trace that its message names, which goes on unchanged',
    async (_what, index, fields) => {
      const parent = `00f067aa0ba902b${index}`
      const meta = { traceparent: `00-${OTHER_TRACE_ID}-${parent}-01`, tracestate: `meta=${index}` }
      const headers = {
        traceparent: `00-${TRACE_ID}-${CALLER}-01`,
        'mcp-name': 'whoami',
        ...fields,
      }
      expect(await callTool(landscape, token, fields && headers, meta)).toBe(200)
      const call = await spanOf(({ parentSpanId }) => parentSpanId === parent, 'the call')
      expect(call).toMatchObject({ name: 'tools/call whoami', traceId: OTHER_TRACE_ID })
      await waitFor(() => childrenOf(call).length > 0, { what: 'the attempt' })
      const request = landscape.backends.legacy
        .flatMap(({ requests }) => requests)
        .find(one => fieldValues(one, 'tracestate').includes(meta.tracestate))
      const attempt = `00-${OTHER_TRACE_ID}-${childrenOf(call)[0]?.spanId}-01`
      expect(fieldValues(request!, 'traceparent')).toEqual([attempt])
      // The message is the client's and the backend's: nothing in it is changed.
      expect(request?.body).toContain(meta.traceparent)
    },
  )

  it('a call whose message names none that can be read belongs to the trace of its field', async () => {
    const headers = { traceparent: `00-${TRACE_ID}-00000000000000ef-01` }
    expect(await callTool(landscape, token, headers, { traceparent: 'x' })).toBe(200)
    const call = await spanOf(({ parentSpanId }) => parentSpanId === '00000000000000ef', 'the call')
    expect(call).toMatchObject({ traceId: TRACE_ID })
  })

  it('a context that is none is nobody’s', async () => {
    const broken = [`00-${'0'.repeat(32)}-${CALLER}-01`, `ff-${TRACE_ID}-${CALLER}-01`, 'x']
    for (const traceparent of broken) {
      const before = receiver.spans.length
      expect(await callTool(landscape, token, { traceparent })).toBe(200)
      const call = (await waitFor(
        () =>
          receiver.spans
            .slice(before)
            .find(
              ({ kind, attributes }) =>
                kind === 'server' && attributes['mcp.method.name'] === 'tools/call',
            ),
        { what: 'the call' },
      ))!
      expect(call.parentSpanId).toBe('')
      expect(call.traceId).not.toBe(TRACE_ID)
    }
  })

  it('a caller who does not record makes us record nothing, and the backend hears so', async () => {
    const traceId = 'aaaabbbbccccddddaaaabbbbccccdddd'
    const traceparent = `00-${traceId}-${CALLER}-00`
    expect(await callTool(landscape, token, { traceparent, tracestate: 'off=1' })).toBe(200)
    const request = landscape.backends.legacy
      .flatMap(({ requests }) => requests)
      .find(one => fieldValues(one, 'tracestate').includes('off=1'))
    expect(fieldValues(request!, 'traceparent')[0]).toMatch(
      new RegExp(`^00-${traceId}-(?!${CALLER})\\w{16}-00$`),
    )
    expect(
      await callTool(landscape, token, { traceparent: `00-${TRACE_ID}-00000000000000cd-01` }),
    ).toBe(200)
    await spanOf(({ parentSpanId }) => parentSpanId === '00000000000000cd', 'a later call')
    expect(receiver.spans.filter(span => span.traceId === traceId)).toEqual([])
  })

  it('a refusal is a span with its status, and an error only where it is ours', async () => {
    const traceparent = `00-${TRACE_ID}-00000000000000ab-01`
    expect(await callTool(landscape, 'forged', { traceparent })).toBe(401)
    const refused = await spanOf(({ parentSpanId }) => parentSpanId === '00000000000000ab', 'it')
    expect(refused).toMatchObject({
      isError: false,
      attributes: { 'http.response.status_code': 401 },
    })
    expect(childrenOf(refused)).toEqual([])
  })

  it('a refresh at the identity provider is a step of the call that wanted it', async () => {
    const step = (await waitFor(
      async () => {
        expect(await callTool(landscape, token)).toBe(200)
        return receiver.spans.find(({ name }) => name === 'upstream refresh')
      },
      { what: 'a refresh', timeoutMs: 15_000, intervalMs: 200 },
    ))!
    expect(step).toMatchObject({
      kind: 'internal',
      attributes: { 'mcp_gateway.upstream': 'default', 'mcp_gateway.outcome': 'refreshed' },
    })
    await waitFor(() => childrenOf(step).length > 0, { what: 'its request' })
    expect(childrenOf(step)[0]).toMatchObject({ kind: 'client', name: 'POST' })
    const call = await spanOf(({ spanId }) => spanId === step.parentSpanId, 'its call')
    expect(call).toMatchObject({ kind: 'server', traceId: step.traceId })
  })

  it('nothing that is secret is in any of it: no token, code, cookie, argument or query', async () => {
    for (const request of landscape.backends.legacy.flatMap(({ requests }) => requests)) {
      for (const value of fieldValues(request, 'authorization'))
        landscape.secrets.add('upstream access token', value.replace('Bearer ', ''))
    }
    expect([...landscape.secrets.kinds()]).toEqual(
      expect.arrayContaining(['access_token', 'code', 'upstream access token']),
    )
    const text = receiver.text()
    expect(text).toContain('tools/call whoami')
    expect(landscape.secrets.findIn(text)).toEqual([])
    for (const secret of [ARGUMENT, QUERY, 'a-cookie-that-nobody-may-see']) {
      expect(text).not.toContain(secret)
    }
  })
})

describe('without a collector', () => {
  const config = async () => {
    const [port, opsPort] = await findFreePorts(2)
    return {
      publicUrl: `http://127.0.0.1:${port}`,
      listen: { host: '127.0.0.1', port },
      ops: { port: opsPort },
      upstream: {
        ...{ provider: 'oidc', issuer: 'https://login.example.com' },
        ...{ clientId: 'gateway', clientSecret: 'secret' },
      },
      backends: [{ path: '/crm/mcp', instances: ['http://127.0.0.1:1/mcp'] }],
    }
  }
  const nodeArgs = ['--import', join(import.meta.dirname, '../support/loaded-modules.ts')]
  const loadedBy = (logs: string) => new Set(logs.match(/(?<=^loaded ).+$/gm))

  it('nothing of OpenTelemetry is loaded, but for the names that prom-client brings along', async () => {
    const off = await startGateway({ config: await config(), nodeArgs })
    onTestFinished(off.kill)
    expect([...loadedBy(off.logs())]).toEqual(['@opentelemetry/api'])
    const env = { OTEL_TRACES_EXPORTER: 'otlp' }
    const on = await startGateway({ config: await config(), nodeArgs, env })
    onTestFinished(on.kill)
    await expect.poll(() => loadedBy(on.logs())).toContain('@opentelemetry/sdk-trace')
  })

  it('what a caller says of its trace goes to the backend untouched', async () => {
    const landscape = await startLandscape({ replicas: 1 })
    onTestFinished(landscape.close)
    const { accessToken } = await signIn(landscape, await registerClient(landscape))
    const headers = { traceparent: `00-${TRACE_ID}-${CALLER}-01`, tracestate: 'vendor=1' }
    expect(await callTool(landscape, accessToken, headers)).toBe(200)
    const request = landscape.backends.legacy
      .flatMap(({ requests }) => requests)
      .find(({ body }) => body.includes(ARGUMENT))
    expect(fieldValues(request!, 'traceparent')).toEqual([headers.traceparent])
    expect(fieldValues(request!, 'tracestate')).toEqual([headers.tracestate])
  })

  it('the last spans are sent when the gateway ends, and one that is gone does not keep it', async () => {
    const receiver = await startOtlpReceiver()
    onTestFinished(receiver.close)
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.origin, OTEL_BSP_SCHEDULE_DELAY: '60000' }
    const gateway = await startGateway({ config: await config(), env })
    onTestFinished(gateway.kill)
    await fetch(`${gateway.origin}/.well-known/oauth-authorization-server`)
    await fetch(`${gateway.origin}/invented-by-a-stranger`)
    expect(receiver.spans).toEqual([])
    expect(await gateway.stop()).toBe(0)
    // The start asks the identity provider for its metadata, too.
    const served = receiver.spans.filter(({ kind }) => kind === 'server')
    expect(served.map(({ name }) => name)).toEqual([
      'GET /.well-known/oauth-authorization-server',
      'GET',
    ])
    const nobody = {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await findFreePort()}`,
      OTEL_EXPORTER_OTLP_TIMEOUT: '1000',
      OTEL_BSP_SCHEDULE_DELAY: '50',
      OTEL_TRACES_SAMPLER: 'an-invented-one',
    }
    const alone = await startGateway({ config: await config(), env: nobody })
    onTestFinished(alone.kill)
    await fetch(`${alone.origin}/`)
    await waitFor(() => alone.logs().includes('traces are not sent as they should be'), {
      what: 'the log to say that nobody takes the traces',
      timeoutMs: 10_000,
    })
    await fetch(`${alone.origin}/`)
    const startedAt = performance.now()
    expect(await alone.stop()).toBe(0)
    expect(performance.now() - startedAt).toBeLessThan(8000)
    expect(alone.logs()).toContain('a setting of traces is not followed')
  })
})

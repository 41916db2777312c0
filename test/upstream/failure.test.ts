import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  allowInsecureRequests,
  ClientSecretPost,
  Configuration,
  refreshTokenGrant,
} from 'openid-client'
import { describe, expect, it, onTestFinished } from 'vitest'
import { classifyFailure, type UpstreamFailure } from '../../src/upstream/failure.ts'
import { findFreePort } from '../support/free-port.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const HTML_TYPE = { 'content-type': 'text/html' }
const CHALLENGE = { 'www-authenticate': 'Basic realm="idp"' }

/** What the real library throws at a token endpoint that behaves so. */
async function failureAt(listener: RequestListener, timeoutSeconds = 5): Promise<UpstreamFailure> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  return failureOf((server.address() as AddressInfo).port, timeoutSeconds)
}

async function failureOf(port: number, timeoutSeconds = 5): Promise<UpstreamFailure> {
  const issuer = `http://127.0.0.1:${port}`
  const configuration = new Configuration(
    { issuer, token_endpoint: `${issuer}/token` },
    'gateway',
    {},
    ClientSecretPost('secret'),
  )
  allowInsecureRequests(configuration)
  configuration.timeout = timeoutSeconds
  const thrown = await refreshTokenGrant(configuration, 'refresh-token').then(
    () => undefined,
    error => error,
  )
  expect(thrown).toBeInstanceOf(Error)
  return classifyFailure(thrown)
}

function answer(status: number, body: unknown, headers: Record<string, string>): RequestListener {
  return (_request, response) => {
    response.writeHead(status, headers)
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }
}

type Row = [status: number, error: string, kind: UpstreamFailure['kind']]

const STATUS_AND_ERROR: Row[] = [
  ...['invalid_grant', 'interaction_required', 'login_required', 'consent_required'].flatMap(
    (error): Row[] => [
      [400, error, 'dead'],
      [401, error, 'dead'],
      [403, error, 'dead'],
      [408, error, 'transient'],
      [429, error, 'transient'],
      [500, error, 'transient'],
      [502, error, 'ambiguous'],
      [503, error, 'transient'],
      [504, error, 'ambiguous'],
    ],
  ),
  ...[
    'invalid_client',
    'unauthorized_client',
    'invalid_scope',
    'invalid_target',
    'invalid_request',
    'unsupported_grant_type',
  ].flatMap((error): Row[] => [
    [400, error, 'operator'],
    [401, error, 'operator'],
    [429, error, 'transient'],
    [503, error, 'transient'],
  ]),
  [400, 'temporarily_unavailable', 'transient'],
  [400, 'server_error', 'transient'],
  [400, 'made_up', 'transient'],
]

describe('an error of the upstream (RFC 6749 section 5.2; known failure 42)', () => {
  it.each(STATUS_AND_ERROR)('%d %s is %s', async (status, error, kind) => {
    const body = { error, error_description: 'its words' }
    // openid-client reads no body behind a status of 500 and more; it would say nothing anyway.
    const read = status < 500 ? { error, description: 'its words' } : { error: 'unreadable_answer' }
    expect(await failureAt(answer(status, body, JSON_TYPE))).toEqual({ kind, status, ...read })
  })

  it.each<[number, unknown, Record<string, string>, UpstreamFailure['kind'], string]>([
    [401, { error: 'invalid_client' }, JSON_TYPE, 'operator', 'invalid_client'],
    [401, { error: 'invalid_grant' }, JSON_TYPE, 'dead', 'invalid_grant'],
    [401, '', {}, 'operator', 'invalid_client'],
    [401, '<p>login</p>', HTML_TYPE, 'operator', 'invalid_client'],
    [400, { error: 'invalid_grant' }, JSON_TYPE, 'dead', 'invalid_grant'],
    [429, { error: 'invalid_grant' }, JSON_TYPE, 'transient', 'invalid_grant'],
    [503, '', {}, 'transient', 'status_503'],
    [403, '', {}, 'transient', 'status_403'],
  ])(
    '%d with WWW-Authenticate and %j is read nevertheless',
    async (status, body, type, kind, error) => {
      const failure = await failureAt(answer(status, body, { ...type, ...CHALLENGE }))
      expect(failure).toEqual({ kind, error, status })
    },
  )

  it('keeps the claims that conditional access wants of the next login', async () => {
    const body = { error: 'interaction_required', claims: '{"access_token":{}}' }
    const failure = await failureAt(answer(400, body, JSON_TYPE))
    expect(failure).toMatchObject({ kind: 'dead', claims: body.claims })
  })

  it.each([
    { error: 'invalid_grant', error_description: 7, claims: {} },
    { error: 'invalid_grant', error_description: null, claims: null },
  ])('leaves out what is malformed in %j', async body => {
    const failure = await failureAt(answer(400, body, JSON_TYPE))
    expect(failure).toEqual({ kind: 'dead', error: 'invalid_grant', status: 400 })
  })
})

describe('an answer that is not the upstream’s own', () => {
  it.each<[number, string, Record<string, string>, UpstreamFailure['kind']]>([
    [400, '<p>blocked</p>', HTML_TYPE, 'transient'],
    [403, '<p>blocked</p>', HTML_TYPE, 'transient'],
    [404, '', {}, 'transient'],
    [429, '<p>slow down</p>', HTML_TYPE, 'transient'],
    [500, '', {}, 'transient'],
    [503, '<p>maintenance</p>', HTML_TYPE, 'transient'],
    [400, '{"error":', JSON_TYPE, 'transient'],
    [400, '[]', JSON_TYPE, 'transient'],
    [400, '{"error":{"code":1}}', JSON_TYPE, 'transient'],
    [302, '', { location: 'https://portal.example/' }, 'transient'],
    [502, '<p>bad gateway</p>', HTML_TYPE, 'ambiguous'],
    [504, '', {}, 'ambiguous'],
    [200, '<p>welcome</p>', HTML_TYPE, 'ambiguous'],
    [200, '{"access_token":', JSON_TYPE, 'ambiguous'],
    [200, '{}', JSON_TYPE, 'invalid'],
    [200, '{"error":"bad_refresh_token"}', JSON_TYPE, 'invalid'],
    [200, '{"access_token":7,"token_type":"bearer"}', JSON_TYPE, 'invalid'],
    [200, '{"access_token":"x"}', JSON_TYPE, 'invalid'],
  ])('%d with %j says nothing about the grant: %s', async (status, body, headers, kind) => {
    expect((await failureAt(answer(status, body, headers))).kind).toBe(kind)
  })
})

describe('Retry-After (RFC 9110 section 10.2.3)', () => {
  it.each([
    ['7', 7],
    ['0', 0],
    ['1.5', 2],
    ['86400', 300],
    ['-1', undefined],
    ['soon', undefined],
  ])('%j is %j seconds', async (value, seconds) => {
    for (const [body, type] of [
      ['{"error":"x"}', JSON_TYPE],
      ['<p>', HTML_TYPE],
    ] as const) {
      const headers = { ...type, 'retry-after': value }
      expect((await failureAt(answer(429, body, headers))).retryAfterSeconds).toBe(seconds)
    }
  })
})

describe('no answer', () => {
  it('because nobody listens: nothing was sent', async () => {
    const failure = await failureOf(await findFreePort())
    expect(failure).toEqual({ kind: 'transient', error: 'ECONNREFUSED' })
  })

  it('because the connection broke: it may have been carried out', async () => {
    const failure = await failureAt(request => request.socket.resetAndDestroy())
    expect(failure.kind).toBe('ambiguous')
  })

  it('in time: it may have been carried out', async () => {
    const failure = await failureAt(() => {}, 0.2)
    expect(failure).toEqual({ kind: 'ambiguous', error: 'OAUTH_TIMEOUT' })
  })

  it.each<[string, UpstreamFailure['kind']]>([
    ['ECONNREFUSED', 'transient'],
    ['EAI_AGAIN', 'transient'],
    ['ENOTFOUND', 'transient'],
    ['EHOSTUNREACH', 'transient'],
    ['ENETUNREACH', 'transient'],
    ['UND_ERR_CONNECT_TIMEOUT', 'transient'],
    ['ECONNRESET', 'ambiguous'],
    ['EPIPE', 'ambiguous'],
    ['ETIMEDOUT', 'ambiguous'],
    ['UND_ERR_SOCKET', 'ambiguous'],
    ['UND_ERR_HEADERS_TIMEOUT', 'ambiguous'],
  ])('%s, however deep, alone or among several, is %s', async (code, kind) => {
    const error = Object.assign(new Error('deep'), { code })
    const fetchFailed = new TypeError('fetch failed', { cause: error })
    const several = new TypeError('fetch failed', { cause: new AggregateError([error, error]) })
    for (const thrown of [fetchFailed, several, new Error('outer', { cause: fetchFailed })]) {
      expect(await classifyFailure(thrown)).toEqual({ kind, error: code })
    }
  })

  it.each([undefined, null, 'text', {}, new Error('plain'), loop()])(
    'and nothing that is known of it: %o may have been carried out',
    async thrown => {
      expect((await classifyFailure(thrown)).kind).toBe('ambiguous')
    },
  )
})

function loop(): Error {
  const error = new Error('its own cause')
  error.cause = error
  return error
}

import { describe, expect, test } from 'vitest'
import {
  createEndpointLimits,
  type EndpointGroup,
} from '../../src/authorization-server/endpoint-limits.ts'
import type { Rate } from '../../src/domain/rate.ts'
import type { Store } from '../../src/store/port.ts'
import { createDeadStore, createGateway, type Gateway } from './support.ts'

const HERE = { 'x-caller': 'here' }
const THERE = { 'x-caller': 'there' }

function setUp(limits: Partial<Record<EndpointGroup, Rate>>, given?: Store) {
  const gateway = createGateway()
  const { store, clock } = gateway
  const refused: string[] = []
  let counted = 0
  const rates = given?.rates ?? store.rates
  gateway.server.limitEndpoint = createEndpointLimits({
    limits: { register: 'off', authorize: 'off', token: 'off', ...limits },
    rates: {
      add: (...args) => {
        counted += 1
        return rates.add(...args)
      },
    },
    callerOf: c => c.req.header('x-caller') ?? '',
    onRefused: group => refused.push(group),
    now: clock.now,
  })
  return { gateway, clock, refused, counted: () => counted }
}

const TWO: Rate = { count: 2, windowSeconds: 60 }

const statusesOf = async (count: number, send: () => Promise<Response>): Promise<number[]> => {
  const statuses: number[] = []
  for (let n = 0; n < count; n += 1) statuses.push((await send()).status)
  return statuses
}
const askToken = ({ post }: Gateway, headers: Record<string, string>) =>
  post('/token', { grant_type: 'authorization_code' }, headers)

describe('a limit of an endpoint', () => {
  test('refuses what is beyond it with 429 and when to come again, and nobody else', async () => {
    const { gateway, clock, refused } = setUp({ token: TWO })
    expect(await statusesOf(2, () => askToken(gateway, HERE))).toEqual([401, 401])
    clock.advance(20)
    const response = await askToken(gateway, HERE)
    expect(response.status).toBe(429)
    expect(response.headers.get('retry-after')).toBe('40')
    expect(await response.json()).toEqual({
      error: 'temporarily_unavailable',
      error_description: 'too many requests, try again later',
    })
    expect((await askToken(gateway, THERE)).status).toBe(401)
    expect(refused).toEqual(['token'])
    expect(gateway.log()).toContain('more requests than the limit token from one address')
    clock.advance(40)
    expect((await askToken(gateway, HERE)).status).toBe(401)
  })

  test('counts endpoints of one kind together, and the kinds apart', async () => {
    const { gateway } = setUp({ token: TWO, authorize: TWO })
    const send = (path: string) => gateway.post(path, {}, HERE)
    for (const path of ['/token', '/revoke', '/authorize', '/consent']) {
      expect((await send(path)).status).not.toBe(429)
    }
    expect((await send('/revoke')).status).toBe(429)
    expect((await gateway.request('/callback', { headers: HERE })).status).toBe(429)
  })

  test('is on record once for a caller at an endpoint, however often it is met', async () => {
    const { gateway, refused } = setUp({ token: TWO, authorize: TWO })
    for (const path of ['/token', '/revoke', '/authorize'])
      await statusesOf(6, () => gateway.post(path, {}, HERE))
    await statusesOf(4, () => askToken(gateway, THERE))
    const lines = gateway.log().split('\n')
    const audited = lines.filter(line => line.includes('"audit":true') && line.includes('limit'))
    expect(audited.map(line => JSON.parse(line).event)).toEqual([
      ...['token', 'revocation', 'authorization', 'token'],
    ])
    expect(refused.length).toBe(4 + 6 + 4 + 2)
  })

  test('shows a page to a person', async () => {
    const { gateway } = setUp({ authorize: TWO })
    const visit = () => gateway.request('/authorize', { headers: HERE })
    await statusesOf(2, visit)
    const response = await visit()
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '60'])
    expect(await response.text()).toContain('Too many attempts')
  })

  test('does not go to the store for somebody who is known to be beyond it', async () => {
    const { gateway, counted } = setUp({ register: TWO })
    const send = () => gateway.post('/register', '{}', HERE)
    await statusesOf(10, send)
    expect(counted()).toBe(3)
  })

  test('leaves alone what has none: documents, pages, preflights', async () => {
    const { gateway, counted } = setUp({ token: TWO, authorize: TWO, register: TWO })
    const paths = ['/', '/.well-known/oauth-authorization-server', '/nothing']
    for (const path of paths) await gateway.request(path, { headers: HERE })
    await gateway.request('/token', {
      method: 'OPTIONS',
      headers: { ...HERE, origin: 'https://a' },
    })
    expect(counted()).toBe(0)
  })

  test('fails closed: who cannot be counted gets 503, at every endpoint', async () => {
    const dead = await createDeadStore()
    const { gateway } = setUp({ token: TWO, authorize: TWO, register: TWO }, dead)
    for (const path of ['/token', '/revoke', '/register', '/authorize', '/consent']) {
      const response = await gateway.post(path, {}, HERE)
      expect([path, response.status]).toEqual([path, 503])
      expect(response.headers.get('retry-after')).toMatch(/^\d+$/)
    }
    await dead.close()
  })
})

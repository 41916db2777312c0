import { describe, expect, it } from 'vitest'
import { createOpsApp, type Readiness } from '../../src/http/ops.ts'

function setUp() {
  const readiness: Readiness = { phase: 'starting', isStoreReachable: false }
  const app = createOpsApp({
    readiness: async () => readiness,
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4', text: 'up 1\n' }),
  })
  const status = async (path: string) => (await app.request(path)).status
  const statuses = async () => [
    await status('/livez'),
    await status('/readyz'),
    await status('/startupz'),
  ]
  return { app, readiness, statuses }
}

describe('health', () => {
  it('follows the life of a process: alive throughout, ready while it serves, started for ever', async () => {
    const { readiness, statuses } = setUp()
    expect(await statuses()).toEqual([200, 503, 503])
    Object.assign(readiness, { phase: 'serving', isStoreReachable: true })
    expect(await statuses()).toEqual([200, 200, 200])
    readiness.phase = 'draining'
    expect(await statuses()).toEqual([200, 503, 200])
  })

  it('is degraded and still ready while the store does not answer (known failure 53)', async () => {
    const { app, readiness } = setUp()
    readiness.phase = 'serving'
    const response = await app.request('/readyz')
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ status: 'degraded', store: 'unreachable' })
  })
})

it('metrics are given as the exposition format wants them', async () => {
  const response = await setUp().app.request('/metrics')
  expect(response.headers.get('content-type')).toContain('version=0.0.4')
  expect(await response.text()).toBe('up 1\n')
})

it('there is no admin API where none was given', async () => {
  expect((await setUp().app.request('/admin/backends')).status).toBe(404)
})

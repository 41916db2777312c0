/** What replicas share beside records: a channel and a clock. */
import { expect, it } from 'vitest'
import { createId } from '../../../src/domain/secret.ts'
import type { Invalidation } from '../../../src/store/port.ts'
import { sampleTokens } from '../samples.ts'
import { until } from '../until.ts'
import { claim, listen, openActive, type Subject } from './subject.ts'

export function promiseInvalidations({ store, other }: Subject): void {
  it('tells all replicas what was published, until they stop listening', async () => {
    const backend = `/backend-${createId()}`
    const heard = { here: 0, there: 0, stopped: 0 }
    const count = (key: keyof typeof heard) => (said: Invalidation) => {
      if (said.kind === 'lists' && said.backend === backend) heard[key] += 1
    }
    const stops = [
      store().invalidations.subscribe(count('here')),
      other().invalidations.subscribe(count('there')),
    ]
    other().invalidations.subscribe(count('stopped'))()
    await until('both to hear', async () => {
      await store().invalidations.publish({ kind: 'lists', backend, list: 'tools' })
      return heard.here > 0 && heard.there > 0
    })
    expect(heard.stopped).toBe(0)
    for (const stop of stops) stop()
  })

  it('tells that tokens were replaced, that a grant is dead, and that it was revoked', async () => {
    const grant = await openActive(store())
    const heard: string[] = []
    const stop = await listen(other(), said => {
      if (said.kind === 'grant' && said.grantId === grant.grantId) heard.push(said.change)
    })
    const { lease } = await claim(store(), grant, 'a')
    const update = { tokens: sampleTokens(store().now()) }
    await store().grants.replaceUpstreamTokens(lease, 0, update)
    await store().grants.replaceUpstreamTokens(lease, 0, update)
    await store().grants.markDead(lease, 1, { error: 'invalid_grant', at: 1 })
    await store().grants.revoke(grant.grantId)
    await store().grants.revoke(grant.grantId)
    await until('the last', () => heard.includes('revoked'))
    expect(heard).toEqual(['replaced', 'dead', 'revoked'])
    stop()
  })
}

export function promiseStore({ store, other }: Subject): void {
  it('answers that it is there', async () => {
    await expect(store().check()).resolves.toBeUndefined()
  })

  it('has one clock for all replicas, in epoch seconds', async () => {
    await store().check()
    await until('both clocks', () => Math.abs(store().now() - other().now()) < 0.1)
    expect(Math.abs(store().now() - Date.now() / 1000)).toBeLessThan(5)
  })
}

import { expect, it } from 'vitest'
import { createId } from '../../../src/domain/secret.ts'
import { until } from '../until.ts'
import { CROWD, type Subject } from './subject.ts'

const SHORT_SECONDS = 1

export function promiseRates({ store, other, all }: Subject): void {
  it('counts for all replicas together: of any number at once, each sees another count', async () => {
    const key = createId()
    const counts = await all(async one => (await one.rates.add(key, 1, 60)).count)
    expect(counts.sort((left, right) => left - right)).toEqual(
      Array.from({ length: CROWD }, (_, n) => n + 1),
    )
    expect((await store().rates.add(createId(), 1, 60)).count).toBe(1)
  })

  it('adds several at once, and says when the window ends', async () => {
    const key = createId()
    const first = await store().rates.add(key, 3, 60)
    const second = await other().rates.add(key, 4, 60)
    expect([first.count, second.count]).toEqual([3, 7])
    for (const { endsInSeconds } of [first, second]) {
      expect(endsInSeconds).toBeLessThanOrEqual(60)
      expect(endsInSeconds).toBeGreaterThan(50)
    }
  })

  it('begins a new window when the old one has ended, however much came meanwhile', async () => {
    const key = createId()
    const startedAt = performance.now()
    await store().rates.add(key, 5, SHORT_SECONDS)
    await until(
      'a new window',
      async () => (await other().rates.add(key, 1, SHORT_SECONDS)).count === 1,
    )
    const seconds = (performance.now() - startedAt) / 1000
    expect(seconds).toBeGreaterThan(SHORT_SECONDS * 0.9)
    expect(seconds).toBeLessThan(SHORT_SECONDS + 3)
  })
}

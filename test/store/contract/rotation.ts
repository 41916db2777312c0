/** Refresh tokens. */
import { expect, it } from 'vitest'
import type { Rotation } from '../../../src/store/port.ts'
import { sampleGrant } from '../samples.ts'
import { until } from '../until.ts'
import { CROWD, openActive, rotate, SHORT_SECONDS, type Subject } from './subject.ts'

export function promiseRotation({ store, other, hasty, otherHasty, all }: Subject): void {
  it('rotates the newest token and answers its successor, which is the newest then', async () => {
    const grant = await openActive(store())
    const second = { outcome: 'rotated', successor: { generation: 1, kid: 'next' } }
    expect(await rotate(other(), grant, 0)).toEqual(second)
    const third = { outcome: 'rotated', successor: { generation: 2, kid: 'next' } }
    expect(await rotate(store(), grant, 1)).toEqual(third)
  })

  it('rotates once for fifty at once, and repeats the same successor to the others', async () => {
    const grant = await openActive(store())
    const outcomes = await all((each, n) => rotate(each, grant, 0, `key-${n}`))
    const rotated = outcomes.filter(({ outcome }) => outcome === 'rotated')
    expect(rotated).toHaveLength(1)
    const [winner] = rotated
    if (winner?.outcome !== 'rotated') throw new Error('nobody rotated')
    const repeated: Rotation = { outcome: 'repeated', successor: winner.successor }
    expect(outcomes.filter(({ outcome }) => outcome !== 'rotated')).toEqual(
      Array(CROWD - 1).fill(repeated),
    )
  })

  it('repeats the successor within the grace, until that is used itself', async () => {
    const grant = await openActive(store())
    await rotate(store(), grant, 0, 'k2')
    const again = await rotate(other(), grant, 0, 'k3')
    expect(again).toEqual({ outcome: 'repeated', successor: { generation: 1, kid: 'k2' } })
    await rotate(store(), grant, 1)
    expect(await rotate(store(), grant, 0)).toEqual({ outcome: 'replayed' })
  })

  it('takes a predecessor for a replay once the grace is over', async () => {
    const grant = await openActive(hasty())
    await rotate(hasty(), grant, 0)
    const rotatedAt = hasty().now()
    expect((await rotate(otherHasty(), grant, 0)).outcome).toBe('repeated')
    await until(
      'the end of the grace',
      async () => (await rotate(hasty(), grant, 0)).outcome === 'replayed',
    )
    expect(hasty().now() - rotatedAt).toBeGreaterThan(SHORT_SECONDS - 0.1)
    expect((await rotate(hasty(), grant, 1)).outcome).toBe('rotated')
  })

  it('moves on from a genuine generation that it has forgotten', async () => {
    const grant = await openActive(store())
    const moved = { outcome: 'rotated', successor: { generation: 8, kid: 'next' } }
    expect(await rotate(store(), grant, 7)).toEqual(moved)
    expect((await rotate(store(), grant, 7)).outcome).toBe('repeated')
    expect((await rotate(store(), grant, 6)).outcome).toBe('replayed')
  })

  it('knows no token of a grant that is not activated, or not there', async () => {
    const grant = sampleGrant(store().now())
    await store().grants.open(grant, store().now() + 60)
    expect(await rotate(store(), grant, 0)).toEqual({ outcome: 'unknown' })
    expect(await rotate(store(), sampleGrant(0), 0)).toEqual({ outcome: 'unknown' })
  })

  it('gives the grant its new end when it rotates or repeats, not when it is a replay', async () => {
    const grant = sampleGrant(store().now())
    const first = { generation: 0, kid: 'k1' }
    const end = store().now() + 60
    await store().grants.open(grant, end)
    await store().grants.activate(grant.grantId, first, end)
    await store().grants.rotateRefreshToken(grant.grantId, first, 'k1', end)
    await store().grants.rotateRefreshToken(grant.grantId, { generation: 1, kid: 'k1' }, 'k1', end)
    const soon = store().now() + 0.1
    const replay = await store().grants.rotateRefreshToken(grant.grantId, first, 'k1', soon)
    expect(replay.outcome).toBe('replayed')
    await until('that moment', () => store().now() > soon + 0.05)
    expect(await store().grants.find(grant.grantId)).toBeDefined()
    const predecessor = { generation: 1, kid: 'k1' }
    const repeat = await store().grants.rotateRefreshToken(
      ...([grant.grantId, predecessor, 'k1', store().now() + 0.1] as const),
    )
    expect(repeat.outcome).toBe('repeated')
    await until('its end', async () => !(await store().grants.find(grant.grantId)))
  })
}

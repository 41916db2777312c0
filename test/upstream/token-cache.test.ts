import { describe, expect, it } from 'vitest'
import { watchOne } from '../support/watched-cache.ts'
import { createHouse } from './house.ts'

const FLOW = 'flow-1'

describe('the count of look-ups', () => {
  it('takes the two looks of a call that waits for one miss', async () => {
    const house = await createHouse()
    const { watch: watchCache, counted } = watchOne('grants')
    const source = house.createSource({ watchCache })
    const { grantId } = await house.openGrant('fresh')
    expect(source.peek(grantId)).toBeUndefined()
    await source.resolve(grantId, FLOW)
    expect(counted()).toEqual([0, 1])
    expect(source.peek(grantId)).toBeDefined()
    expect(counted()).toEqual([1, 1])
  })

  it('takes a grant whose token is past its end for a miss', async () => {
    const house = await createHouse()
    const { watch: watchCache, counted } = watchOne('grants')
    const source = house.createSource({ watchCache })
    const { grantId } = await house.openGrant('fresh')
    await source.resolve(grantId, FLOW)
    house.clock.advance(1000)
    expect(source.peek(grantId)).toBeUndefined()
    await source.resolve(grantId, FLOW)
    expect(counted()).toEqual([0, 2])
  })
})

import { describe, expect, it } from 'vitest'
import { createLimitNotes, tellSince } from '../../src/observability/limit-notes.ts'

describe('refusals by a limit', () => {
  it('are put on record for each caller once a minute, with how many were not', () => {
    let nowMs = 0
    const note = createLimitNotes(undefined, () => nowMs)
    expect([note('alice'), note('alice'), note('bob'), note('alice')]).toEqual([
      ...[0, undefined, 0, undefined],
    ])
    nowMs = 59_999
    expect(note('alice')).toBeUndefined()
    nowMs = 60_000
    expect([note('alice'), note('bob'), note('alice')]).toEqual([3, 0, undefined])
  })

  it('hold no more callers than they say', () => {
    const sizes: (() => number)[] = []
    const note = createLimitNotes((_name, size) => {
      sizes.push(size)
      return { hits: { value: 0 }, misses: { value: 0 } }
    })
    for (let n = 0; n < 10_100; n += 1) note(`caller ${n}`)
    expect(sizes.map(size => size())).toEqual([10_000])
  })

  it('are told with their number only where there is one', () => {
    expect(tellSince('too many', 0)).toBe('too many')
    expect(tellSince('too many', 7)).toBe('too many; 7 more since this was said before')
  })
})

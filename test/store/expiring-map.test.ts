import { describe, expect, it } from 'vitest'
import { createExpiringMap } from '../../src/store/expiring-map.ts'

describe('a map whose entries end', () => {
  it('answers no entry at or after its end', () => {
    let now = 1000
    const map = createExpiringMap<string>(() => now)
    map.set('a', 'value', 1010)
    now = 1009.9
    expect(map.get('a')).toBe('value')
    expect(map.values()).toEqual(['value'])
    now = 1010
    expect(map.get('a')).toBeUndefined()
    expect(map.values()).toEqual([])
    expect(map.take('a')).toBeUndefined()
  })

  it('prolongs what lives and nothing that has ended', () => {
    let now = 1000
    const map = createExpiringMap<string>(() => now)
    map.set('a', 'value', 1010)
    now = 1005
    map.extend('a', 1020)
    now = 1015
    expect(map.get('a')).toBe('value')
    now = 1020
    map.extend('a', 1030)
    expect(map.get('a')).toBeUndefined()
  })

  it('drops ended entries that nobody asks for', () => {
    let now = 1000
    const map = createExpiringMap<number>(() => now)
    for (let n = 0; n < 10_000; n++) {
      now += 1
      map.set(`key-${n}`, n, now + 5)
    }
    expect(map.size).toBeLessThan(20)
  })
})

import { describe, expect, it } from 'vitest'
import { aheadWindowSeconds, judgeFreshness } from '../../src/upstream/freshness.ts'

const tokensOf = (lifeSeconds: number) => ({
  accessToken: 'a',
  issuedAt: 1000,
  expiresAt: 1000 + lifeSeconds,
})

describe('the window before the end of a token', () => {
  it.each([
    [24 * 3600, 8640],
    [3600, 360],
    [600, 60],
    [300, 60],
    [200, 40],
    [30, 6],
  ])('of a life of %i s is %i s: a tenth, at least a minute, at most a fifth', (life, window) => {
    expect(aheadWindowSeconds(tokensOf(life))).toBe(window)
  })
})

describe('a token of an hour', () => {
  it.each([
    ['fresh', 3600, 0.5],
    ['fresh', 361, 1],
    ['ahead', 360, 1],
    ['fresh', 360, 0],
    ['fresh', 181, 0],
    ['ahead', 180, 0],
    ['ahead', 3, 0],
    ['stale', 2, 0],
    ['stale', 0, 0],
    ['stale', -10, 1],
  ] as const)('is %s with %i s left and a jitter of %d', (freshness, left, jitter) => {
    const tokens = tokensOf(3600)
    expect(judgeFreshness(tokens, tokens.expiresAt - left, jitter)).toBe(freshness)
  })

  it('is refreshed at moments that are spread over half the window', () => {
    const tokens = tokensOf(3600)
    const moments = [0, 0.25, 0.5, 0.75, 1].map(jitter => {
      const seconds = Array.from({ length: 3600 }, (_, second) => second)
      return seconds.findIndex(second => judgeFreshness(tokens, 1000 + second, jitter) === 'ahead')
    })
    expect(moments).toEqual([3420, 3375, 3330, 3285, 3240])
  })
})

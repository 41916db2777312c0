import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { UpstreamTokens } from '../../src/domain/grant.ts'
import { aheadWindowSeconds, judgeFreshness } from '../../src/upstream/freshness.ts'

const RANK = { fresh: 0, ahead: 1, stale: 2 }

const tokens = fc
  .record({
    issuedAt: fc.integer({ min: 1_700_000_000, max: 1_900_000_000 }),
    life: fc.integer({ min: 1, max: 10 * 86_400 }),
  })
  .map(
    ({ issuedAt, life }): UpstreamTokens => ({
      accessToken: 'a',
      issuedAt,
      expiresAt: issuedAt + life,
    }),
  )
const jitter = fc.double({ min: 0, max: 1, noNaN: true })
/** A moment of a token's life, from its beginning to a while after its end. */
const moment = fc.double({ min: 0, max: 1.2, noNaN: true })

const at = ({ issuedAt, expiresAt }: UpstreamTokens, part: number) =>
  issuedAt + (expiresAt - issuedAt) * part

describe('the freshness of any token', () => {
  it('only ever falls', () => {
    fc.assert(
      fc.property(tokens, jitter, moment, moment, (token, spread, one, other) => {
        const [earlier, later] = [Math.min(one, other), Math.max(one, other)]
        const before = judgeFreshness(token, at(token, earlier), spread)
        const after = judgeFreshness(token, at(token, later), spread)
        expect(RANK[after]).toBeGreaterThanOrEqual(RANK[before])
      }),
    )
  })

  it('is stale exactly from two seconds before its end on', () => {
    fc.assert(
      fc.property(tokens, jitter, moment, (token, spread, part) => {
        const now = at(token, part)
        const isStale = judgeFreshness(token, now, spread) === 'stale'
        expect(isStale).toBe(token.expiresAt - now <= 2)
      }),
    )
  })

  it('lasts for four fifths of its life, whatever its length: nothing is refreshed all the time', () => {
    fc.assert(
      fc.property(
        tokens,
        jitter,
        fc.double({ min: 0, max: 0.79, noNaN: true }),
        (token, spread, part) => {
          const now = at(token, part)
          fc.pre(token.expiresAt - now > 2)
          expect(judgeFreshness(token, now, spread)).toBe('fresh')
        },
      ),
    )
  })

  it('is ahead in the last half of the window for everybody', () => {
    fc.assert(
      fc.property(
        tokens,
        jitter,
        fc.double({ min: 0, max: 0.499, noNaN: true }),
        (token, spread, part) => {
          const remaining = aheadWindowSeconds(token) * part
          fc.pre(remaining > 2.001)
          expect(judgeFreshness(token, token.expiresAt - remaining, spread)).toBe('ahead')
        },
      ),
    )
  })

  it('comes to its end earlier with more jitter, never later', () => {
    fc.assert(
      fc.property(tokens, jitter, jitter, moment, (token, one, other, part) => {
        const now = at(token, part)
        const less = judgeFreshness(token, now, Math.min(one, other))
        const more = judgeFreshness(token, now, Math.max(one, other))
        expect(RANK[more]).toBeGreaterThanOrEqual(RANK[less])
      }),
    )
  })

  it('of a token that came without a life is stale', () => {
    const token = { accessToken: 'a', issuedAt: 100, expiresAt: 100 }
    expect(judgeFreshness(token, 100, 0.5)).toBe('stale')
  })
})

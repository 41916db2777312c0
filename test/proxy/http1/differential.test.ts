import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Answer, cut, cuts, damagedAnswer, goodAnswer } from './answers.ts'
import { readNode, readOurs, readUndici, type Seen } from './readers.ts'

/** How many answers are generated for each rule; `FUZZ_RUNS=100000` for the long run. */
const numRuns = Number(process.env.FUZZ_RUNS ?? 2000)
const timeout = 20_000 + numRuns * 5

describe('an answer of an instance, read by us, by undici and by Node', () => {
  test(
    'is the same to all three where it keeps to the grammar',
    async () => {
      await fc.assert(
        fc.asyncProperty(goodAnswer, cuts, async ({ method, text }, places) => {
          const pieces = cut(text, places)
          const ours = readOurs(method, pieces)
          expect(visible(ours)).toEqual(visible(await readUndici(method, pieces), ours))
          expect(visible(ours)).toEqual(visible(await readNode(method, pieces)))
          expect(ours.outcome).toBe('complete')
        }),
        { numRuns },
      )
    },
    timeout,
  )

  test(
    'is never accepted by us where one of them refuses it, nor seen differently, however it is damaged',
    async () => {
      await fc.assert(
        fc.asyncProperty(damagedAnswer, cuts, async ({ method, text }, places) => {
          const pieces = cut(text, places)
          const ours = readOurs(method, pieces)
          if (ours.outcome === 'broken') return
          // undici takes an unasked `100 Continue` for the end of the connection; RFC 9110 section 15.2 has it ignored.
          const isComparable = !/HTTP\/1\.[01] 100/.test(text)
          const undicis = isComparable ? await readUndici(method, pieces) : ours
          expect(visible(ours)).toEqual(visible(undicis, ours))
          expect(visible(ours)).toEqual(visible(await readNode(method, pieces)))
        }),
        { numRuns },
      )
    },
    timeout,
  )

  test(
    'does not depend on where it is cut',
    () => {
      fc.assert(
        fc.property(fc.oneof(goodAnswer, damagedAnswer), ({ method, text }: Answer) => {
          const whole = readOurs(method, cut(text, []))
          for (let at = 1; at < text.length; at += 1) {
            expect(readOurs(method, cut(text, [at]))).toEqual(whole)
          }
        }),
        { numRuns },
      )
    },
    timeout,
  )
})

/**
 * What reaches a client; of an answer that breaks, how far it came depends on who read it.
 *
 * @param like whose reason counts as seen: undici keeps the last piece only of one that was cut
 */
function visible(seen: Seen, like = seen): Partial<Seen> {
  const { outcome, status, fields, body } = seen
  return outcome === 'broken' ? { outcome } : { outcome, status, reason: like.reason, fields, body }
}

import { aheadWindowSeconds } from '../../src/upstream/freshness.ts'
import type { SoakReport } from './soak-run.ts'

/** The promise, clause by clause, and whether a run has kept it. */
export type Verdict = { clause: string; found: string; isKept: boolean }[]

const TOLERANCE = 0.01

/**
 * What the IdP should have been asked for is read off the tokens themselves: each that took another's place was needed once. That they were not replaced too early is
 * a clause of its own.
 */
export function judgeSoak({ options, logouts, idp, lives, errors }: SoakReport): Verdict {
  const { refreshes, results } = idp
  const { successors, period } = lives
  const earliest = earliestPeriod(options.tokenSeconds)
  const off = Math.abs(refreshes - successors) / successors
  const others = Object.entries(results).filter(([result]) => result !== 'ok')
  return [
    {
      clause: 'nobody has to sign in again',
      found: logouts.length === 0 ? '0 logouts' : logouts.slice(0, 5).join('; '),
      isKept: logouts.length === 0,
    },
    {
      clause: 'the IdP is asked once for each token that was needed, ± 1 %',
      found: `${refreshes} refreshes for ${successors} tokens`,
      isKept: successors > 0 && off <= TOLERANCE,
    },
    {
      clause: 'and never refuses',
      found: others.map(([result, count]) => `${count} ${result}`).join(', ') || 'no other answer',
      isKept: others.length === 0,
    },
    {
      // Tokens carry whole seconds.
      clause: `no token is replaced in its first ${earliest} s`,
      found: `after ${period.shortest} s to ${period.longest} s, ${period.mean.toFixed(1)} s on average`,
      isKept: period.shortest >= earliest - 1,
    },
    {
      clause: 'no backend sees a token that it refuses',
      found: `${lives.refused} refused`,
      isKept: lives.refused === 0,
    },
    {
      clause: 'no replica logs an error',
      found: `${errors.length} errors`,
      isKept: errors.length === 0,
    },
  ]
}

/** Before that a token is outside its window, so nothing refreshes it. */
function earliestPeriod(tokenSeconds: number): number {
  const tokens = { accessToken: '', issuedAt: 0, expiresAt: tokenSeconds }
  return tokenSeconds - aheadWindowSeconds(tokens)
}

import { decodeJwt } from 'jose'
import type { SeenCall } from './backend.ts'

/** The upstream tokens of a run as its backend saw them, which is all that tells how many a user really needed. */
export type TokenLives = {
  /** Different upstream tokens that were used. */
  tokens: number
  /** Of those, how many took the place of another: what the IdP had to be asked for. */
  successors: number
  /** Seconds from a token's issue to that of its successor. */
  period: { shortest: number; mean: number; longest: number }
  /** Calls that the backend answered with 401. */
  refused: number
}

/** Calls name their grant in the query. */
export function countLives(calls: readonly SeenCall[]): TokenLives {
  const issues = new Map<string, Map<string, number>>()
  for (const { search, token } of calls) {
    const ofGrant = issues.get(search) ?? new Map<string, number>()
    issues.set(search, ofGrant)
    if (!ofGrant.has(token)) ofGrant.set(token, decodeJwt(token).iat ?? Number.NaN)
  }
  const periods = [...issues.values()].flatMap(ofGrant => {
    const moments = [...ofGrant.values()].sort((left, right) => left - right)
    return moments.slice(1).map((moment, index) => moment - moments[index]!)
  })
  const tokens = [...issues.values()].reduce((total, ofGrant) => total + ofGrant.size, 0)
  return {
    tokens,
    successors: tokens - issues.size,
    period: {
      shortest: Math.min(...periods),
      mean: periods.reduce((total, period) => total + period, 0) / periods.length,
      longest: Math.max(...periods),
    },
    refused: calls.filter(({ status }) => status === 401).length,
  }
}

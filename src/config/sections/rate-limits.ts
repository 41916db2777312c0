import { z } from 'zod'
import type { RateLimit } from '../../domain/rate.ts'
import { parsed } from '../fields.ts'
import { Malformed } from '../malformed.ts'
import { parseDuration, renderDuration } from '../units.ts'

const OFF = 'off'
const EXPECTED = 'expected a rate such as 600/1m, or off'
const PATTERN = String.raw`^(\d+/\d+(s|m|h|d)|off)$`
const MAX_COUNT = 1_000_000_000
const MAX_WINDOW_SECONDS = 86_400

const calls = z
  .strictObject({
    subject: rate().prefault(OFF).describe('Calls of one user.'),
    client: rate().prefault(OFF).describe('Calls of one client, by whichever users.'),
    backend: rate().prefault(OFF).describe('Calls to one backend, by anybody.'),
    tool: rate().prefault(OFF).describe('Calls of one tool of a backend by one user.'),
  })
  .prefault({})
  .describe('Calls of MCP endpoints, by tokens that are good.')

export const rateLimits = z
  .strictObject({
    register: rate().prefault('60/1m').describe('`/register`, by address.'),
    authorize: rate()
      .prefault('300/1m')
      .describe('`/authorize`, `/consent` and `/callback` together, by address.'),
    token: rate()
      .prefault('1200/1m')
      .describe('`/token`, `/revoke` and `/introspect` together, by address.'),
    calls,
  })
  .prefault({})
  .describe(
    'How often somebody may come: a count and a window such as `600/1m`, or `off`. Beyond it the answer is 429. An address of IPv6 counts as its /64.',
  )

function rate() {
  return parsed('rate', parseRate, renderRate, EXPECTED).meta({ pattern: PATTERN })
}

function parseRate(input: string): RateLimit {
  if (input === OFF) return OFF
  const [, digits, window] = /^(\d+)\/(\d+[smhd])$/.exec(input) ?? []
  if (digits === undefined || window === undefined) throw new Malformed(EXPECTED)
  const [count, windowSeconds] = [Number(digits), parseDuration(window) / 1000]
  if (count < 1 || count > MAX_COUNT) throw new Malformed(`must be from 1 to ${MAX_COUNT}`)
  if (windowSeconds < 1 || windowSeconds > MAX_WINDOW_SECONDS)
    throw new Malformed('must be in a window from 1s to 1d')
  return { count, windowSeconds }
}

function renderRate(rate: RateLimit): string {
  return rate === OFF ? OFF : `${rate.count}/${renderDuration(rate.windowSeconds * 1000)}`
}

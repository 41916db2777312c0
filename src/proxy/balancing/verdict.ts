import { isUnavailable } from '../repeats.ts'
import type { Report } from './health.ts'

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\b/i

/**
 * What an answer says of the instance that gave it. A server that has understood what it was asked for works, whatever it says: JSON-RPC errors never count, though some send them
 * with status 500. A bare 500 is a crash.
 *
 * @param rawFields flat
 */
export function verdictOn(status: number, rawFields: readonly string[]): Report {
  if (status < 500) return 'answered'
  if (status === 500) return isJson(rawFields) ? 'answered' : 'failed'
  return isUnavailable(status) ? 'failed' : 'answered'
}

function isJson(rawFields: readonly string[]): boolean {
  const at = rawFields.findIndex(
    (name, index) => index % 2 === 0 && name.toLowerCase() === 'content-type',
  )
  return at !== -1 && JSON_TYPE.test(rawFields[at + 1] ?? '')
}

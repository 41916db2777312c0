import { concealTools } from '../answers/tool-list.ts'
import type { Call } from '../call.ts'
import { ageOf, type Entry } from './entries.ts'
import { byByte } from './list-answer.ts'

/** The JSON-RPC response to one request, with what is left of the answer's life; one character a byte. */
export function renderList(entry: Entry, id: string, now: number): string {
  const left = Math.max(0, Math.floor(entry.ttlMs - ageOf(entry, now)))
  return `{"jsonrpc":"2.0","id":${byByte(id)},"result":${entry.before}${left}${entry.after}}`
}

/** Answers a call with what is kept, as its caller may see it. The call goes on to its end as if the backend had answered. */
export function sendList(call: Call, entry: Entry, id: string, now: number): void {
  const { res, crossOrigin, keepAlive } = call.arrival
  const whole = renderList(entry, id, now)
  const shown = call.conceals ? showTo(call.conceals, whole) : whole
  const age = Math.floor(ageOf(entry, now) / 1000)
  const fields = ['content-type', 'application/json', 'age', String(age)]
  fields.push('content-length', String(shown.length), ...crossOrigin, ...keepAlive)
  res.writeHead(200, fields)
  res.end(shown, 'latin1')
}

function showTo(conceals: (tool: string) => boolean, whole: string): string {
  const text = Buffer.from(whole, 'latin1').toString()
  const shown = concealTools(text, conceals)
  if (shown === undefined) throw new Error('a list that was kept is not JSON')
  return byByte(shown)
}

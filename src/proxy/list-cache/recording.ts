import { type Answer, type AnswerHead, isEventStream } from '../answers/answer.ts'
import { membersOf, readJson } from '../json-text.ts'
import { decodeUtf8 } from '../message.ts'
import { variesBeyondKey } from './neutral-fields.ts'

/** Larger answers are passed on and not kept. */
export const LARGEST_ANSWER_BYTES = 1024 * 1024

const JSON_TYPE = /^application\/json\b/i
const LINE_END = /\r\n|\n|\r/

/** Whether an answer with this head can be one that is kept. */
export function isKeepable({ status, fields }: AnswerHead): boolean {
  if (status !== 200 || fields.isEncoded || fields.namesSession) return false
  if ((fields.contentLength ?? 0) > LARGEST_ANSWER_BYTES) return false
  if (!isEventStream(fields) && !JSON_TYPE.test(fields.contentType ?? '')) return false
  for (let index = 0; index + 1 < fields.passed.length; index += 2) {
    const name = fields.passed[index]?.toLowerCase()
    const value = fields.passed[index + 1] ?? ''
    if (name === 'vary' && variesBeyondKey(value)) return false
    if (name === 'cache-control' && /\b(?:no-store|private)\b/i.test(value)) return false
  }
  return true
}

/**
 * An answer on its way to the client that is written down meanwhile. It comes at the backend's pace, not at the client's: others may be waiting for it, and what the client does not
 * take in the meantime is not more than is written down.
 */
export class RecordingAnswer implements Answer {
  readonly #answer: Answer
  readonly #isEventStream: boolean
  readonly #onMessage: (message: string | undefined) => void
  #chunks: Buffer[] | undefined = []
  #size = 0

  /** @param onMessage gets the JSON-RPC response once it is complete, or nothing where there is not exactly one that can be read; never called for an answer that broke off */
  constructor(answer: Answer, head: AnswerHead, onMessage: (message: string | undefined) => void) {
    this.#answer = answer
    this.#isEventStream = isEventStream(head.fields)
    this.#onMessage = onMessage
  }

  write(chunk: Buffer): boolean {
    const keepsUp = this.#answer.write(chunk)
    if (!this.#chunks) return keepsUp
    this.#size += chunk.byteLength
    if (this.#size > LARGEST_ANSWER_BYTES) {
      this.#chunks = undefined
      this.#onMessage(undefined)
      return keepsUp
    }
    this.#chunks.push(Buffer.from(chunk))
    return true
  }

  end(): void {
    this.#answer.end()
    if (!this.#chunks) return
    const text = decodeUtf8(Buffer.concat(this.#chunks))
    const isWhole = text !== undefined && !this.#isEventStream
    this.#onMessage(isWhole ? text : responseIn(text ?? ''))
  }

  drop(): void {
    this.#answer.drop()
  }
}

/** The one response among the messages of an event stream; notifications that came with it were for whoever asked. */
export function responseIn(stream: string): string | undefined {
  const responses = dataOf(stream).filter(isResponse)
  return responses.length === 1 ? responses[0] : undefined
}

/** @see WHATWG HTML section 9.2.6 (event stream interpretation) */
function dataOf(stream: string): string[] {
  const events: string[] = []
  let lines: string[] = []
  for (const line of stream.split(LINE_END)) {
    if (line.startsWith('data:')) lines.push(line.slice(line[5] === ' ' ? 6 : 5))
    if (line !== '' || lines.length === 0) continue
    events.push(lines.join('\n'))
    lines = []
  }
  return events
}

function isResponse(data: string): boolean {
  const root = readJson(data)
  // What is not JSON counts, so that nothing is kept of a stream that cannot be read.
  return !root || membersOf(data, root).some(({ key }) => key === 'result' || key === 'error')
}

import { type Answer, isEventStream } from '../answers/answer.ts'
import type { Companion } from '../companion.ts'
import type { ListName } from './methods.ts'

/** The name of a notification as it may stand in JSON, where some write every slash as an escape. */
const SLASH = String.raw`(?:\\?/|\\u002[fF])`
const CHANGE = new RegExp(`notifications${SLASH}(tools|prompts|resources)${SLASH}list_changed`, 'g')
const NEEDLE = Buffer.from('list_changed')
/** As much of the longest spelling as can stand before a cut. */
const CARRIED_BYTES = 'notifications\\u002fresources\\u002flist_changed'.length - 1

/**
 * Looks for notifications that a list has changed in a stream of bytes, cut anywhere. It is not parsed: whatever has the name in it counts, since a false alarm costs one request to
 * the backend.
 *
 * @returns what takes the next piece, and says which lists have changed by it
 */
export function createChangeScanner(): (chunk: Buffer) => ReadonlySet<ListName> {
  let carried = Buffer.alloc(0)
  return chunk => {
    const window = carried.byteLength === 0 ? chunk : Buffer.concat([carried, chunk])
    const found = window.includes(NEEDLE) ? changesIn(window) : { lists: NOTHING, end: 0 }
    // What was counted is not carried, or it would count again.
    const start = Math.max(found.end, window.byteLength - CARRIED_BYTES)
    carried = Buffer.from(window.subarray(start))
    return found.lists
  }
}

const NOTHING: ReadonlySet<ListName> = new Set()

function changesIn(window: Buffer): { lists: ReadonlySet<ListName>; end: number } {
  const matches = [...window.toString('latin1').matchAll(CHANGE)]
  const last = matches.at(-1)
  const end = last ? last.index + last[0].length : 0
  return { lists: new Set(matches.map(([, list]) => list).filter(isListName)), end }
}

function isListName(name: string | undefined): name is ListName {
  return name === 'tools' || name === 'prompts' || name === 'resources'
}

/** A stream of notifications on its way to the client, which is read along. */
export class WatchedAnswer implements Answer {
  readonly #answer: Answer
  readonly #onChange: (list: ListName) => void
  readonly #scan = createChangeScanner()

  constructor(answer: Answer, onChange: (list: ListName) => void) {
    this.#answer = answer
    this.#onChange = onChange
  }

  write(chunk: Buffer): boolean {
    // Before the client hears of it, since it asks at once.
    for (const list of this.#scan(chunk)) this.#onChange(list)
    return this.#answer.write(chunk)
  }

  end(): void {
    this.#answer.end()
  }

  drop(): void {
    this.#answer.drop()
  }
}

/** @returns who goes along with the streams of a backend and reads what changes */
export function createWatch(
  onChange: (backend: string, list: ListName) => void,
): (backend: string) => Companion {
  return backend => ({
    answered(head, open) {
      const isReadable = isEventStream(head.fields) && !head.fields.isEncoded
      return isReadable ? new WatchedAnswer(open(), list => onChange(backend, list)) : open()
    },
    rescue: () => false,
    ended: () => {},
  })
}

/** The YAML of a configuration as a plain tree, with the place of every value. */
import { type Document, LineCounter, parseDocument } from 'yaml'
import { findPrivate, hideBraces, showBraces } from './braces.ts'
import type { Path } from './error.ts'
import { pathKey } from './tree.ts'
import { type Place, Unusable, unfold } from './unfold.ts'

export type Position = { line: number; column: number }

export type ConfigDocument = {
  /** Maps, lists and scalars; an empty file is an empty map. */
  tree: unknown
  /** Of a value; of the nearest one around it where there is no such value. */
  positionOf(path: Path): Position
  /** Of the key that a value has. */
  keyPositionOf(path: Path): Position
}

/** What the text has in place of one tree. */
export type YamlFault = Position & { message: string }

const MAX_CHARACTERS = 256 * 1024

/** What people do most often, where the parser speaks of YAML's grammar or of its own functions. */
const WORDINGS: Readonly<Record<string, string>> = {
  BLOCK_AS_IMPLICIT_KEY:
    'has a key inside: the next line is indented too far, or a value with ": " in it needs quotes',
  DUPLICATE_KEY: 'the same key stands twice',
  MULTIPLE_DOCS: 'a second document begins here; a configuration is one',
}

/**
 * Reads one YAML 1.2 document: unique keys, no tags of its own, no merge keys.
 *
 * @returns the document, or all syntax faults
 */
export function readYaml(text: string): ConfigDocument | YamlFault[] {
  if (text.length > MAX_CHARACTERS) {
    return [{ line: 1, column: 1, message: `is longer than ${MAX_CHARACTERS / 1024} KiB` }]
  }
  const lines = new LineCounter()
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  try {
    const document = parseDocument(hideBraces(text), {
      lineCounter: lines,
      prettyErrors: false,
      version: '1.2',
      schema: 'core',
      logLevel: 'error',
    })
    const privateAt = findPrivate(text)
    if (privateAt !== -1) throw new Unusable('contains a private-use character', privateAt)
    const broken = syntaxFaults(document, at)
    return broken.length > 0 ? broken : locate(document, at)
  } catch (error) {
    if (error instanceof Unusable) return [{ ...at(error.offset), message: error.message }]
    // The parser recurses: absurd nesting exhausts the stack.
    if (!(error instanceof RangeError)) throw error
    return [{ line: 1, column: 1, message: 'cannot be read as YAML' }]
  }
}

/** One for each line: what the parser finds after an error in the same line comes of that error. */
function syntaxFaults(document: Document, at: (offset: number) => Position): YamlFault[] {
  const faults = [...document.errors, ...document.warnings].map(({ code, message, pos }) => ({
    ...at(pos[0]),
    message: WORDINGS[code] ?? wordingOf(message),
  }))
  return faults.filter(
    (fault, index) => faults.findIndex(other => other.line === fault.line) === index,
  )
}

function locate(document: Document, at: (offset: number) => Position): ConfigDocument {
  const { tree, places } = unfold(document)
  const find = (path: Path): Place => {
    const place = places.get(pathKey(path))
    if (place) return place
    if (path.length === 0) return { value: 0 }
    const around = find(path.slice(0, -1))
    return { ...around, value: around.key ?? around.value }
  }
  return {
    tree: tree ?? {},
    positionOf: path => at(find(path).value),
    keyPositionOf: path => {
      const { key, value } = find(path)
      return at(key ?? value)
    },
  }
}

/** The parser's words without the piece of text that some of them end with: it may be a secret. */
function wordingOf(message: string): string {
  return showBraces(message.replace(/(\n|: ").*$/s, ''))
}

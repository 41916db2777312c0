/**
 * Durations (`15m`) and sizes (`4MiB`): a whole number and a unit, with nothing between them. A bare number is refused, so that nobody has to guess its unit.
 */
import { Malformed } from './malformed.ts'

/** A unit's name and how many of the smallest unit it has, smallest first. */
type Units = Readonly<Record<string, number>>

const DURATIONS: Units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const SIZES: Units = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

export const EXPECTED_DURATION = 'expected a duration such as 500ms, 15m or 30d'
export const EXPECTED_SIZE = 'expected a size such as 64KiB or 4MiB'

/** Regular expressions of the two spellings, for the JSON Schema. */
export const DURATION_PATTERN = patternOf(DURATIONS)
export const SIZE_PATTERN = patternOf(SIZES)

/**
 * @returns milliseconds
 * @throws Malformed
 */
export function parseDuration(text: string): number {
  return parseQuantity(text, DURATIONS, EXPECTED_DURATION)
}

/** In the largest unit that leaves a whole number. */
export function renderDuration(milliseconds: number): string {
  return renderQuantity(milliseconds, DURATIONS)
}

/**
 * @returns bytes
 * @throws Malformed
 */
export function parseSize(text: string): number {
  return parseQuantity(text, SIZES, EXPECTED_SIZE)
}

/** In the largest unit that leaves a whole number. */
export function renderSize(bytes: number): string {
  return renderQuantity(bytes, SIZES)
}

function parseQuantity(text: string, units: Units, expected: string): number {
  const [, digits = '', unit = ''] = /^(\d+)([A-Za-z]+)$/.exec(text) ?? []
  const factor = Object.hasOwn(units, unit) ? units[unit] : undefined
  if (factor === undefined) throw new Malformed(expected)
  const value = Number(digits) * factor
  if (!Number.isSafeInteger(value)) throw new Malformed('is too large')
  return value
}

function renderQuantity(value: number, units: Units): string {
  const fitting = Object.entries(units).filter(
    ([, factor]) => factor === 1 || (value >= factor && value % factor === 0),
  )
  const [unit, factor] = fitting.at(-1) ?? ['', 1]
  return `${value / factor}${unit}`
}

function patternOf(units: Units): string {
  return `^\\d+(${Object.keys(units).join('|')})$`
}

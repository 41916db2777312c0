/**
 * The kinds of value that a configuration is made of, as codecs: decoding checks a value and gives it the form that the program uses; encoding gives back the YAML
 * spelling, redacted where it is a secret. `title` is the kind's name in the editor and in the reference.
 */
import { z } from 'zod'
import { Malformed } from './malformed.ts'
import { ifGiven } from './shapes.ts'
import {
  DURATION_PATTERN,
  EXPECTED_DURATION,
  EXPECTED_SIZE,
  parseDuration,
  parseSize,
  renderDuration,
  renderSize,
  SIZE_PATTERN,
} from './units.ts'

export const REDACTED = '[redacted]'

/**
 * A string that `parse` reads and `render` writes. What is `Malformed` becomes a fault.
 *
 * @param expected what to say of a value that is no string at all
 * @param missing what to say where there is no value, if more than that it is required
 */
export function parsed<T>(
  title: string,
  parse: (text: string) => T,
  render: (value: T) => string = String,
  expected?: string,
  missing?: string,
) {
  const input = z.string({ error: expecting(expected, missing) })
  return z
    .codec(input, z.custom<T>(), {
      decode: (written, context) => {
        try {
          return parse(written)
        } catch (error) {
          if (!(error instanceof Malformed)) throw error
          context.issues.push({ code: 'custom', message: error.message, input: written })
          return z.NEVER
        }
      },
      encode: ifGiven(render),
    })
    .meta({ title })
}

/** A string that is not empty and does not matter to us otherwise. */
export function text(title = 'string') {
  return z.string().min(1).meta({ title })
}

/** A string that is never shown again. */
export function secret() {
  return parsed('secret', parseNonEmpty, () => REDACTED).meta({ writeOnly: true })
}

/** A life: whole seconds. */
export function seconds(min: string, max: string) {
  const parse = (input: string): number => {
    const value = parseBetween(parseDuration, input, min, max)
    if (value % 1000 !== 0) throw new Malformed('must be whole seconds')
    return value / 1000
  }
  return duration(parse, value => renderDuration(value * 1000))
}

/** A timeout: milliseconds. */
export function milliseconds(min: string, max: string) {
  return duration(input => parseBetween(parseDuration, input, min, max), renderDuration)
}

/** Bytes. */
export function size(min: string, max: string) {
  const parse = (input: string): number => parseBetween(parseSize, input, min, max)
  return parsed('size', parse, renderSize, EXPECTED_SIZE).meta({ pattern: SIZE_PATTERN })
}

/** A whole number; as a string too, since that is what an environment variable holds. */
export function integer(min: number, max: number) {
  const error = expecting(`expected a whole number from ${min} to ${max}`)
  const whole = z.int({ error }).min(min, { error }).max(max, { error })
  const digits = z
    .string()
    .refine(input => /^\d{1,15}$/.test(input) && whole.safeParse(Number(input)).success, { error })
    .meta({ pattern: String.raw`^\d+$` })
  return z
    .codec(z.union([whole, digits], { error }), whole, { decode: Number, encode: value => value })
    .meta({ title: 'integer' })
}

export function port() {
  return integer(1, 65_535)
}

/** true or false; as a string too, since that is what an environment variable holds. */
export function flag() {
  const error = expecting('expected true or false')
  return z
    .codec(z.union([z.boolean(), z.enum(['true', 'false'])], { error }), z.boolean(), {
      decode: value => value === true || value === 'true',
      encode: value => value,
    })
    .meta({ title: 'boolean' })
}

function duration(parse: (text: string) => number, render: (value: number) => string) {
  return parsed('duration', parse, render, EXPECTED_DURATION).meta({ pattern: DURATION_PATTERN })
}

/** What to say of a value that is there; one that is not is "required", as everywhere. */
function expecting(message: string | undefined, missing?: string) {
  return (issue: { input?: unknown }): string | undefined =>
    issue.input === undefined ? missing : message
}

function parseNonEmpty(input: string): string {
  if (input === '') throw new Malformed('must not be empty')
  return input
}

function parseBetween(
  parse: (text: string) => number,
  input: string,
  min: string,
  max: string,
): number {
  const value = parse(input)
  if (value < parse(min) || value > parse(max)) {
    throw new Malformed(`must be from ${min} to ${max}`)
  }
  return value
}

/** How single values are put together, where zod has no word for it. */
import { z } from 'zod'

type Renamed<T, Names> = {
  [Key in keyof T as Key extends keyof Names
    ? Names[Key] extends string
      ? Names[Key]
      : never
    : Key]: T[Key]
}

/** Encodes what is there: zod encodes absent optional keys too, and drops them after. */
export function ifGiven<From, To>(encode: (value: From) => To): (value: From) => To {
  return value => (value === undefined ? (value as To & undefined) : encode(value))
}

/** A setting in the form that the program uses, made from the form in which it is written, and back. */
export function resolved<Written extends z.ZodType, Used>(
  schema: Written,
  decode: (value: z.output<Written>) => Used,
  encode: (value: Used) => z.output<Written>,
) {
  // Nothing of a `z.output` is lost on the way through the codec; zod only cannot know it of a generic schema.
  return z.codec(schema, z.custom<Used>(), {
    decode: value => decode(value as z.output<Written>),
    encode: ifGiven(encode),
  })
}

/** A section whose keys get their units where the program uses them: `timeout: 10s` is `timeoutMs: 10000`. */
export function renamed<
  Section extends z.ZodObject,
  const Names extends Partial<Record<keyof z.output<Section>, string>>,
>(section: Section, names: Names) {
  const back = Object.fromEntries(Object.entries(names).map(([key, name]) => [name, key]))
  return resolved(
    section,
    value => rename(value, names) as Renamed<z.output<Section>, Names>,
    value => rename(value, back) as z.output<Section>,
  )
}

function rename(value: object, names: Record<string, string | undefined>): object {
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [names[key] ?? key, entry]))
}

/**
 * A list or a map. What is written is judged by the rules of its own form alone, so that a fault is found at its own place; zod's union would only say that neither form fits.
 */
export function listOrMap<List extends z.ZodType, Map extends z.ZodType>(list: List, map: Map) {
  const either = z.union([list, map])
  either._zod.parse = (payload, context) =>
    (Array.isArray(payload.value) ? list : map)._zod.run(payload, context)
  either._zod.run = either._zod.parse
  return either
}

/** A word or a section, each judged by the rules of its own form, as in `listOrMap`. */
export function wordOrMap<Word extends z.ZodType, Map extends z.ZodType>(word: Word, map: Map) {
  const either = z.union([word, map])
  either._zod.parse = (payload, context) =>
    (typeof payload.value === 'object' && payload.value !== null ? map : word)._zod.run(
      payload,
      context,
    )
  either._zod.run = either._zod.parse
  return either
}

/**
 * A rule of a list: no two items have the same key. Runs whatever else is wrong with the list, so `keyOf` must answer `undefined` for an item that it cannot read.
 */
export function distinct(
  keyOf: (item: unknown) => string | undefined,
  message: string,
  at: string[] = [],
) {
  return z.superRefine<unknown[]>(
    (items, context) => {
      const seen = new Set<string>()
      for (const [index, item] of items.entries()) {
        const key = keyOf(item)
        if (key === undefined) continue
        if (seen.has(key)) context.addIssue({ code: 'custom', message, path: [index, ...at] })
        seen.add(key)
      }
    },
    { when: payload => Array.isArray(payload.value) },
  )
}

/** The key of an item that is a string itself. */
export function itself(item: unknown): string | undefined {
  return typeof item === 'string' ? item : undefined
}

/** When a rule across the keys of a section can run: there is a section, though some of its values may be faulty. */
export const onSection = {
  when: (payload: { value: unknown }): boolean =>
    typeof payload.value === 'object' && payload.value !== null,
}

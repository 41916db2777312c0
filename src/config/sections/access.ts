/** What a backend's scopes are, and what its tools need. That the names fit together is in `scope-rules.ts`. */
import { z } from 'zod'
import type { ScopeDefinition } from '../../domain/scope-catalogue.ts'
import { flag, text } from '../fields.ts'
import { distinct, itself, listOrMap, resolved } from '../shapes.ts'
import { scopeToken } from './scope.ts'

const definition = z.strictObject({
  description: text().exactOptional().describe('What it allows; shown to whoever is asked.'),
  default: flag()
    .prefault(true)
    .describe('Whether a client gets it that asks for none. Otherwise it has to ask.'),
  implies: z
    .array(scopeToken())
    .check(distinct(itself, 'is listed twice'))
    .prefault([])
    .describe('Other scopes that whoever holds it holds as well.'),
})

const list = z.array(scopeToken()).min(1).check(distinct(itself, 'is listed twice'))
const map = z.record(z.string(), definition.prefault({}), {
  error: 'expected a list of scopes, or a section of them',
})

/** @see ScopeDefinition */
export const scopes = resolved(
  listOrMap(list, map),
  (written): readonly ScopeDefinition[] =>
    Array.isArray(written)
      ? written.map(name => ({ name, isDefault: true, implies: [] }))
      : Object.entries(written).map(([name, { default: isDefault, ...rest }]) => ({
          name,
          isDefault,
          ...rest,
        })),
  definitions =>
    definitions.every(isPlain)
      ? definitions.map(({ name }) => name)
      : Object.fromEntries(
          definitions.map(({ name, isDefault, description, implies }) => [
            name,
            {
              default: isDefault,
              implies: [...implies],
              ...(description !== undefined && { description }),
            },
          ]),
        ),
)
  .prefault(['mcp'])
  .describe(
    'Scopes that a client may ask for: their names, or a section with an entry for each. A client gets the default ones where it asks for none.',
  )
  .meta({ title: 'list of scopes, or section' })

export const required = z
  .array(scopeToken())
  .check(distinct(itself, 'is listed twice'))
  .prefault([])
  .describe('Scopes that every call needs. Every client gets them, whatever it asks for.')

const tool = z.strictObject({
  scopes: z
    .array(scopeToken())
    .check(distinct(itself, 'is listed twice'))
    .prefault([])
    .describe('Scopes that a call needs. Whoever has not got them is asked for them.'),
  hidden: flag()
    .prefault(false)
    .describe(
      'Whether `tools/list` leaves it out for everybody whose token lacks the scopes. Without `scopes`, nobody sees it and nobody may call it.',
    ),
})

export const tools = z
  .record(z.string(), tool, { error: 'expected a section of tools' })
  .prefault({})
  .describe(
    'What tools need, by name; `*` in a name stands for any characters. Where several entries fit a tool, all of them count.',
  )
  .meta({ title: 'section' })

function isPlain({ description, isDefault, implies }: ScopeDefinition): boolean {
  return description === undefined && isDefault && implies.length === 0
}

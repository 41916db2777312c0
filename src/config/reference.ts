/** `docs/configuration.md`, made from the same schema that checks the file. */
import { createJsonSchema, type JsonSchema } from './json-schema.ts'

const INTRODUCTION = `# Configuration

One YAML file, \`gateway.config.yaml\`. This page is made from the schema that checks the file
(\`npm run generate\`); \`mcp-auth-gateway check\` lists everything that is wrong with a file, and
\`mcp-auth-gateway check --effective\` prints it with every default.

- Unknown and repeated keys are refused.
- A **duration** is a whole number and \`ms\`, \`s\`, \`m\`, \`h\` or \`d\`: \`15m\`. A **size** is a whole number
  and \`B\`, \`KiB\`, \`MiB\` or \`GiB\`: \`4MiB\`. Bare numbers are refused for both.
- \`\${NAME}\` in a string is the environment variable, which must be set; \`\${NAME:-default}\` has a default
  for an unset or empty one; \`$\${\` stands for \`\${\` itself.
- A string that begins with \`file:\` is the content of that file, without the line end at its end. The
  path is relative to the configuration file. Nothing in a variable or a file is a reference again.
- **Secret** values are never printed. Keep them in a file or a variable.
`

type Row = { key: string; schema: JsonSchema; isRequired: boolean }
type Section = { title: string; description?: string | undefined; rows: Row[] }

/** The text of `docs/configuration.md`. */
export function renderReference(): string {
  return [INTRODUCTION, ...sectionsOf(createJsonSchema()).map(renderSection)].join('\n')
}

function sectionsOf(root: JsonSchema): Section[] {
  const rows = rowsOf(root)
  const isSection = ({ schema }: Row): boolean => bodyOf(schema) !== undefined
  return [
    { title: 'Top level', rows: rows.filter(row => !isSection(row)) },
    ...rows.filter(isSection).flatMap(({ key, schema }) => sectionOf(key, schema)),
  ]
}

function sectionOf(key: string, schema: JsonSchema): Section[] {
  const { description } = schema
  const isList = schema.type === 'array'
  const title = `\`${key}\`${isList ? ', a list' : ''}`
  const body = bodyOf(schema)
  if (!body?.oneOf) return [{ title, description, rows: flatRowsOf(body ?? {}) }]
  const choices = body.oneOf.map(choice => {
    const [named, ...rows] = flatRowsOf(choice)
    const choiceTitle = `\`${key}\` with \`${named?.key}: ${named?.schema.const}\``
    return { title: choiceTitle, description: named?.schema.description, rows }
  })
  return [{ title, description, rows: [] }, ...choices]
}

/** The object, or the choice of objects, that a section or the items of a list section are; `undefined` for a single value. */
function bodyOf(schema: JsonSchema): JsonSchema | undefined {
  const body = schema.type === 'array' ? itemsOf(schema) : schema
  return body.properties || body.oneOf ? body : undefined
}

/**
 * Keys of sections within sections come with a dot. Lists of sections are unfolded in a section itself and no deeper: conditions of `allow` nest, and its description has
 * their keys.
 */
function flatRowsOf(schema: JsonSchema, isNested = false): Row[] {
  return rowsOf(schema).flatMap(row => {
    const [body, prefix] = sectionWithin(row)
    if (!body || (isNested && row.schema.type === 'array')) return [row]
    const within = flatRowsOf(body, true).map(inner => ({
      ...inner,
      key: `${prefix}.${inner.key}`,
    }))
    return row.schema.description === undefined ? within : [row, ...within]
  })
}

/** The section that a value is or consists of, and how its keys begin; the entries of a map are called `*`, those of a list `[]`. */
function sectionWithin({ key, schema }: Row): [body: JsonSchema | undefined, prefix: string] {
  if (schema.properties) return [schema, key]
  const forms = [schema, ...(schema.anyOf ?? [])]
  const section = forms.find(form => form.properties)
  if (section) return [section, key]
  const items = itemsOf(schema)
  if (items.properties) return [items, `${key}[]`]
  const entries = forms.map(form => form.additionalProperties)
  const body = entries.find(entry => typeof entry === 'object' && entry.properties !== undefined)
  return [typeof body === 'object' ? body : undefined, `${key}.*`]
}

function rowsOf(schema: JsonSchema): Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, property]) =>
    typeof property === 'boolean'
      ? []
      : [{ key, schema: property, isRequired: schema.required?.includes(key) ?? false }],
  )
}

function renderSection({ title, description, rows }: Section): string {
  const head = [`## ${title}`, '', ...(description === undefined ? [] : [description, ''])]
  if (rows.length === 0) return head.join('\n')
  const table = ['| key | type | default | meaning |', '|---|---|---|---|', ...rows.map(renderRow)]
  return [...head, ...table, ''].join('\n')
}

function renderRow({ key, schema, isRequired }: Row): string {
  const cells = [
    `\`${key}\``,
    typeOf(schema),
    defaultOf(schema, isRequired),
    schema.description ?? '',
  ]
  return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function typeOf(schema: JsonSchema): string {
  if (schema.title !== undefined) return schema.title
  const [choice] = schema.anyOf ?? []
  if (typeof choice === 'object' && choice.enum) return choice.enum.map(code).join(' or ')
  if (schema.type === 'array') return `list: ${typeOf(itemsOf(schema))}`
  if (schema.properties) return 'section'
  if (!schema.additionalProperties) return String(schema.type)
  return sectionWithin({ key: '', schema, isRequired: false })[0]
    ? 'map of sections'
    : 'map of strings'
}

function defaultOf(schema: JsonSchema, isRequired: boolean): string {
  if (isRequired) return 'required'
  return schema.default === undefined ? '' : code(textOf(schema.default))
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.join(', ')}]`
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function code(value: unknown): string {
  return `\`${String(value)}\``
}

function itemsOf(schema: JsonSchema): JsonSchema {
  const { items } = schema
  return typeof items === 'object' && !Array.isArray(items) ? items : {}
}

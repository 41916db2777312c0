import { z } from 'zod'
import { gatewaySchema } from './schema.ts'

export type JsonSchema = z.core.JSONSchema.BaseSchema

// A reference may stand wherever a value is a string.
const REFERENCE = String.raw`\$\{`

/** JSON Schema (draft 2020-12) of the file as it is written, for editors. It knows the keys and the spellings; `check` knows all the rules. */
export function createJsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(gatewaySchema, { io: 'input', override: allowReferences })
  return { ...schema, title: 'gateway.config.yaml' }
}

/** The text of `gateway.schema.json`. */
export function renderJsonSchema(): string {
  return `${JSON.stringify(createJsonSchema(), null, 2)}\n`
}

function allowReferences({ jsonSchema }: { jsonSchema: JsonSchema }): void {
  if (jsonSchema.pattern !== undefined && !jsonSchema.pattern.includes(REFERENCE)) {
    jsonSchema.pattern = `${jsonSchema.pattern}|${REFERENCE}`
  }
  if (jsonSchema.enum !== undefined) {
    jsonSchema.anyOf = [{ enum: jsonSchema.enum }, { type: 'string', pattern: REFERENCE }]
    delete jsonSchema.enum
    delete jsonSchema.type
  }
}

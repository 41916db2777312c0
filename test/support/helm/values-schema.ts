import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'

/** The schema against which Helm checks the values of a chart. */
export async function readValuesSchema(chart: string): Promise<z.ZodType> {
  return z.fromJSONSchema(JSON.parse(await readFile(join(chart, 'values.schema.json'), 'utf8')))
}

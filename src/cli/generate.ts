/** Writes what is made from the configuration's schema: `gateway.schema.json` and `docs/configuration.md`. Run it from the repository: `npm run generate`. */
import { writeFileSync } from 'node:fs'
import { renderJsonSchema } from '../config/json-schema.ts'
import { renderReference } from '../config/reference.ts'

const root = new URL('../../', import.meta.url)
writeFileSync(new URL('gateway.schema.json', root), renderJsonSchema())
writeFileSync(new URL('docs/configuration.md', root), renderReference())

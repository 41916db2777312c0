import { z } from 'zod'
import { flag } from '../fields.ts'

export const cache = z
  .strictObject({
    lists: flag()
      .prefault(false)
      .describe(
        'Whether what it lists (tools, prompts, resources, itself) is kept in memory for as long as it says in `ttlMs`, and given to whom it says in `cacheScope`. MCP 2026-07-28 only.',
      ),
  })
  .prefault({})
  .describe('What of its answers is given again without asking it.')

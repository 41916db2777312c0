import * as z from 'zod'
import { reasonOf } from '../observability/reason.ts'

/** What the client throws where another issuer is named than the one that was asked. */
const mismatch = z.object({
  code: z.literal('OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED'),
  cause: z.object({ attribute: z.literal('issuer'), body: z.object({ issuer: z.string() }) }),
})

/** Why an upstream's metadata cannot be had, for operators. Where they name another issuer than the configured one, which one: mostly the right one. */
export function describeMetadataFault(error: unknown): string {
  const published = mismatch.safeParse(error)
  return published.success ? `their issuer is ${published.data.cause.body.issuer}` : reasonOf(error)
}

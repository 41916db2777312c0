import { z } from 'zod'
import { parsed, text } from '../fields.ts'
import { distinct, itself } from '../shapes.ts'
import { parseIssuer } from '../urls.ts'

const issuer = z.strictObject({
  issuer: parsed('https URL', parseIssuer).describe('Its `iss`, exactly.'),
  jwksUri: parsed('https URL', parseIssuer)
    .exactOptional()
    .describe('Where its public keys are. Default: what its OpenID metadata says.'),
  clients: z
    .array(text())
    .check(distinct(itself, 'is listed twice'))
    .exactOptional()
    .describe('Ids of the clients whose assertions count. Default: any that authenticates.'),
})

export const enterprise = z
  .strictObject({
    issuers: z
      .array(issuer)
      .min(1)
      .check(distinct(issuerOf, 'is the issuer of another entry', ['issuer']))
      .describe('The identity providers that issue such assertions.'),
  })
  .describe(
    'Enterprise-managed authorization: clients bring an assertion of an identity provider (ID-JAG) instead of sending people here to sign in.',
  )

function issuerOf(item: unknown): string | undefined {
  return typeof item === 'object' && item !== null && 'issuer' in item
    ? itself(item.issuer)
    : undefined
}

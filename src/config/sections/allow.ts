/** Which identities may use a backend. */
import { z } from 'zod'
import type { AccessRule } from '../../domain/access-rule.ts'
import { parsed, text } from '../fields.ts'
import { Malformed } from '../malformed.ts'
import { onSection, resolved } from '../shapes.ts'

const DOMAIN = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/i

const conditions = {
  group: text().exactOptional().describe('A group of theirs, as the upstream calls it.'),
  role: text().exactOptional().describe('A role of theirs.'),
  emailDomain: parsed('domain', parseDomain)
    .exactOptional()
    .describe('The domain of their e-mail address; subdomains are others.'),
  claim: text()
    .exactOptional()
    .describe('A claim of their ID token that is `value`, or a list with it.'),
  value: text().exactOptional().describe('What `claim` must be.'),
}

const CONDITIONS = ['group', 'role', 'emailDomain', 'claim']
const LISTS = ['any', 'all']

const condition = z.strictObject(conditions).check(z.superRefine(checkOneOf(CONDITIONS), onSection))

const clause = z
  .strictObject({
    ...conditions,
    any: z.array(condition).min(1).exactOptional().describe('One of these is enough.'),
    all: z.array(condition).min(1).exactOptional().describe('All of these together.'),
  })
  .check(z.superRefine(checkOneOf([...CONDITIONS, ...LISTS]), onSection))

const rule = z
  .strictObject({
    any: z.array(clause).min(1).exactOptional().describe('One of these is enough.'),
    all: z.array(clause).min(1).exactOptional().describe('All of these together.'),
  })
  .check(z.superRefine(checkOneOf(LISTS), onSection))

/** @see AccessRule */
export const allow = resolved(
  rule,
  // Each entry has exactly one key, or `claim` and `value`: `checkOneOf`.
  written => written as AccessRule,
  used => used as z.output<typeof rule>,
)
  .exactOptional()
  .describe(
    'Who may use it: `any` or `all` of a list of conditions. A condition is one of `group`, `role`, `emailDomain`, `claim` with `value`, and, once more, `any` or `all`. Checked at login and at every call. Without it, whoever can sign in may.',
  )
  .meta({ title: 'section' })

/** @param kinds what may stand there; others are unknown keys, or stand elsewhere */
function checkOneOf(kinds: readonly string[]) {
  return (value: object, context: z.RefinementCtx): void => {
    const given = kinds.filter(kind => kind in value)
    if (given.length !== 1) {
      const message =
        given.length === 0
          ? `says nothing: expected one of ${kinds.join(', ')}`
          : `takes one of these, and has ${given.join(' and ')}`
      context.addIssue({ code: 'custom', message })
    }
    if ('claim' in value === 'value' in value) return
    const message = 'claim' in value ? 'needs a value' : 'belongs to a claim'
    context.addIssue({ code: 'custom', message, path: ['claim' in value ? 'claim' : 'value'] })
  }
}

function parseDomain(input: string): string {
  if (DOMAIN.test(input)) return input.toLowerCase()
  throw new Malformed('expected a domain such as example.com')
}

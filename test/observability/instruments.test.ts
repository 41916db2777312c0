import { expect, it } from 'vitest'
import { createCounterFamily } from '../../src/observability/instruments.ts'

const description = { name: 'seen_total', help: 'Seen.', labelNames: ['what'] }

it('writes label values so that none ends its own quotation (Prometheus text format)', () => {
  const family = createCounterFamily(description)
  family.cell('a"b\\c\nd').value += 1
  expect(family.render()).toBe(
    '# HELP seen_total Seen.\n# TYPE seen_total counter\nseen_total{what="a\\"b\\\\c\\nd"} 1\n',
  )
})

it('refuses labels that would make two series one', () => {
  expect(() => createCounterFamily(description).cell()).toThrow(RangeError)
})

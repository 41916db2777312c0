import { expect, test } from 'vitest'
import { createCorrelationId } from '../../src/domain/secret.ts'

test('correlation ids are 22 characters for a URL, and no two are the same, however many are drawn', () => {
  const ids = Array.from({ length: 5000 }, createCorrelationId)
  expect(new Set(ids).size).toBe(5000)
  for (const id of ids) expect(id).toMatch(/^[\w-]{22}$/)
  // Random from end to end: every place has seen every character.
  for (let place = 0; place < 22; place += 1) {
    expect(new Set(ids.map(id => id[place])).size).toBe(64)
  }
})

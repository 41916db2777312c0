import { expect, test } from 'vitest'
import { FAILURES } from '../../src/proxy/failures.ts'

test('each failure has a JSON-RPC code that no other has', () => {
  const codes = Object.values(FAILURES).map(({ code }) => code)
  expect(codes).toEqual([...new Set(codes)])
})

import { expect, test } from 'vitest'
import { findFreePort, findFreePorts } from './free-port.ts'

test('no port is found twice, though nobody has bound it yet', async () => {
  const found = await Promise.all([
    findFreePorts(400),
    ...Array.from({ length: 400 }, findFreePort),
  ])
  expect(new Set(found.flat()).size).toBe(800)
})

import { describe, expect, test } from 'vitest'
import { EMPTY_TAIL, isBetweenEvents, tailAfter } from '../../../src/proxy/answers/event-streams.ts'

function isBetween(...chunks: string[]): boolean {
  return isBetweenEvents(
    chunks.reduce((tail, chunk) => tailAfter(tail, Buffer.from(chunk)), EMPTY_TAIL),
  )
}

describe('WHATWG HTML section 9.2.6: a comment fits', () => {
  test.each([
    [[]],
    [['data: a\n\n']],
    [['data: a\r\n\r\n']],
    [['data: a\r\r']],
    [['data: a\n', '\n']],
    [['data: a\r', '\n\r', '\n']],
    [['data: a\n\n', '']],
  ])('after %j', chunks => {
    expect(isBetween(...chunks)).toBe(true)
  })
})

describe('no comment fits', () => {
  test.each([
    [['d']],
    [['data: a\n']],
    [['data: a\r\n']],
    [['data: a\n\n', 'id: 1\n']],
    [['a\r', '\n']],
  ])('after %j', chunks => {
    expect(isBetween(...chunks)).toBe(false)
  })
})

import { expect, test } from 'vitest'
import { verdictOn } from '../../../src/proxy/balancing/verdict.ts'

const JSON_ANSWER = ['Content-Length', '2', 'Content-Type', 'application/json; charset=utf-8']
const TEXT = ['content-type', 'text/plain', 'x-note', 'application/json']

test.each([
  [200, TEXT, 'answered'],
  [404, TEXT, 'answered'],
  [429, TEXT, 'answered'],
  [500, JSON_ANSWER, 'answered'],
  [500, TEXT, 'failed'],
  [500, [], 'failed'],
  [501, TEXT, 'answered'],
  [502, JSON_ANSWER, 'failed'],
  [503, JSON_ANSWER, 'failed'],
  [504, TEXT, 'failed'],
  [505, TEXT, 'answered'],
])('an answer with %i and %j counts as %s', (status, rawFields, verdict) => {
  expect(verdictOn(status, rawFields)).toBe(verdict)
})

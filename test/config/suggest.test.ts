import { describe, expect, it } from 'vitest'
import { nearest } from '../../src/config/suggest.ts'

const KEYS = ['publicUrl', 'upstream', 'backends', 'instances', 'keys', 'redis']

describe('the nearest known key', () => {
  it.each([
    ['instanses', 'instances'],
    ['publicURL', 'publicUrl'],
    ['public_url', 'publicUrl'],
    ['key', 'keys'],
    ['upstreams', 'upstream'],
    ['bakcends', 'backends'],
  ])('of %s is %s', (word, expected) => {
    expect(nearest(word, KEYS)).toBe(expected)
  })

  it.each(['frobnicate', '', 'x', 'x'.repeat(100_000)])('is none where nothing is near', word => {
    expect(nearest(word, KEYS)).toBeUndefined()
  })
})

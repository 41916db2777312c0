import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Malformed } from '../../src/config/malformed.ts'
import {
  DURATION_PATTERN,
  parseDuration,
  parseSize,
  renderDuration,
  renderSize,
  SIZE_PATTERN,
} from '../../src/config/units.ts'

const quantities = fc.nat({ max: Number.MAX_SAFE_INTEGER })

describe('durations', () => {
  it.each([
    ['500ms', 500],
    ['1s', 1000],
    ['15m', 900_000],
    ['1h', 3_600_000],
    ['30d', 2_592_000_000],
    ['0s', 0],
  ])('reads %s as %i ms', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds)
  })

  it.each([
    '',
    '15',
    'm',
    '15 m',
    '1.5h',
    '-1s',
    '1h30m',
    '15M',
    '1w',
    ' 1s',
    '1s\n',
    '1constructor',
  ])('refuses %j', text => {
    expect(() => parseDuration(text)).toThrow(Malformed)
  })

  it('refuses what is too large to count exactly', () => {
    expect(() => parseDuration('999999999999d')).toThrow('is too large')
  })

  it('writes every duration so that it is read as the same', () => {
    fc.assert(
      fc.property(quantities, milliseconds => {
        expect(parseDuration(renderDuration(milliseconds))).toBe(milliseconds)
      }),
    )
  })

  it('writes the largest unit that fits', () => {
    expect([900_000, 90_000, 86_400_000, 1500].map(renderDuration)).toEqual([
      '15m',
      '90s',
      '1d',
      '1500ms',
    ])
  })
})

describe('sizes', () => {
  it.each([
    ['512B', 512],
    ['64KiB', 65_536],
    ['4MiB', 4_194_304],
    ['1GiB', 1_073_741_824],
  ])('reads %s as %i bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
  })

  it.each(['4MB', '4mib', '4', '4 MiB', 'MiB', '0x4MiB'])('refuses %j', text => {
    expect(() => parseSize(text)).toThrow(Malformed)
  })

  it('writes every size so that it is read as the same', () => {
    fc.assert(
      fc.property(quantities, bytes => {
        expect(parseSize(renderSize(bytes))).toBe(bytes)
      }),
    )
  })
})

describe('the patterns for the JSON Schema', () => {
  const texts = fc.oneof(fc.string(), fc.stringMatching(/^\d{1,4}[a-zA-Z]{0,3}$/))

  it.each([
    ['durations', parseDuration, DURATION_PATTERN],
    ['sizes', parseSize, SIZE_PATTERN],
  ])('match exactly the %s that are read', (_, parse, pattern) => {
    fc.assert(
      fc.property(texts, text => {
        let isRead = true
        try {
          parse(text)
        } catch {
          isRead = false
        }
        expect(new RegExp(pattern).test(text)).toBe(isRead)
      }),
      { numRuns: 1000 },
    )
  })
})

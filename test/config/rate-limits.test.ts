import { describe, expect, test } from 'vitest'
import { complaints, MINIMAL, readTree } from './support.ts'

describe('rateLimits', () => {
  test('bound what strangers may send and nothing else, unless told', () => {
    expect(readTree(MINIMAL).rateLimits).toEqual({
      register: { count: 60, windowSeconds: 60 },
      authorize: { count: 300, windowSeconds: 60 },
      token: { count: 1200, windowSeconds: 60 },
      calls: { subject: 'off', client: 'off', backend: 'off', tool: 'off' },
    })
  })

  test('are a count and a window, or off', () => {
    const rateLimits = { register: 'off', calls: { subject: '10/1s', tool: '5/24h' } }
    expect(readTree({ ...MINIMAL, rateLimits }).rateLimits).toMatchObject({
      register: 'off',
      calls: {
        subject: { count: 10, windowSeconds: 1 },
        tool: { count: 5, windowSeconds: 86_400 },
      },
    })
  })

  test.each([
    ['60', 'expected a rate such as 600/1m, or off'],
    ['60/m', 'expected a rate such as 600/1m, or off'],
    ['1.5/1m', 'expected a rate such as 600/1m, or off'],
    ['10/500ms', 'expected a rate such as 600/1m, or off'],
    ['0/1m', 'must be from 1 to 1000000000'],
    ['10/0s', 'must be in a window from 1s to 1d'],
    ['10/2d', 'must be in a window from 1s to 1d'],
  ])('refuse %s', (token, message) => {
    expect(complaints({ rateLimits: { token } })).toEqual([`rateLimits.token: ${message}`])
  })
})

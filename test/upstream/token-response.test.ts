import type { TokenEndpointResponse } from 'openid-client'
import { describe, expect, it } from 'vitest'
import type { UpstreamTokens } from '../../src/domain/grant.ts'
import { readTokens } from '../../src/upstream/token-response.ts'

const NOW = 1_800_000_000

const previous: UpstreamTokens = {
  accessToken: 'old',
  issuedAt: NOW - 3600,
  expiresAt: NOW,
  refreshToken: 'old-refresh',
  refreshExpiresAt: NOW + 1000,
  scope: ['a', 'b'],
}

const answer = (fields: Record<string, unknown> = {}): TokenEndpointResponse => ({
  access_token: 'new',
  token_type: 'bearer',
  expires_in: 600,
  ...fields,
})

describe('what an upstream’s answer says (RFC 6749 section 5.1)', () => {
  it('is kept in epoch seconds, and nothing else of it', () => {
    const response = answer({ refresh_token: 'r', scope: 'a b', id_token: 'i', other: 'x' })
    expect(readTokens(response, NOW)).toEqual({
      accessToken: 'new',
      issuedAt: NOW,
      expiresAt: NOW + 600,
      refreshToken: 'r',
      scope: ['a', 'b'],
    })
  })

  it('lives for an hour where it does not say how long', () => {
    const { expires_in, ...response } = answer()
    expect(readTokens(response, NOW).expiresAt).toBe(NOW + 3600)
  })

  it.each([
    ['refresh_expires_in', 1800, NOW + 1800],
    ['refresh_token_expires_in', 1800, NOW + 1800],
    ['refresh_expires_in', '1800', NOW + 1800],
    ['refresh_expires_in', 0, undefined],
    ['refresh_expires_in', -5, undefined],
    ['refresh_expires_in', 'never', undefined],
    ['refresh_expires_in', null, undefined],
    ['refresh_expires_in', {}, undefined],
  ])('%s of %j ends the refresh token at %s', (name, value, expected) => {
    const tokens = readTokens(answer({ refresh_token: 'r', [name]: value }), NOW)
    expect(tokens.refreshExpiresAt).toBe(expected)
  })

  it('leaves out a malformed scope', () => {
    expect(readTokens(answer({ scope: 'a "b"' }), NOW)).not.toHaveProperty('scope')
  })
})

describe('what a refresh leaves out stays as it was (RFC 6749 section 6)', () => {
  it('the refresh token, its end and the scope', () => {
    expect(readTokens(answer(), NOW, previous)).toEqual({
      ...previous,
      accessToken: 'new',
      issuedAt: NOW,
      expiresAt: NOW + 600,
    })
  })

  it('but the end of the old refresh token is not that of a new one', () => {
    const tokens = readTokens(answer({ refresh_token: 'new-refresh' }), NOW, previous)
    expect(tokens.refreshToken).toBe('new-refresh')
    expect(tokens).not.toHaveProperty('refreshExpiresAt')
  })

  it('a new end counts for the old refresh token', () => {
    const tokens = readTokens(answer({ refresh_expires_in: 50 }), NOW, previous)
    expect(tokens).toMatchObject({ refreshToken: 'old-refresh', refreshExpiresAt: NOW + 50 })
  })
})

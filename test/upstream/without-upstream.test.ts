import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import { deriveAssertionKeys } from '../../src/domain/assertion-key.ts'
import { type Grant, NO_UPSTREAM } from '../../src/domain/grant.ts'
import { createKeyRing } from '../../src/domain/key-ring.ts'
import { createAssertionIssuer } from '../../src/upstream/assertions.ts'
import type { BackendCredential } from '../../src/upstream/credential.ts'
import { createInjector } from '../../src/upstream/injection.ts'

const ISSUER = 'https://mcp.example.com'
const NOW = 1_800_000_000
const GRANT: Grant = {
  grantId: 'grant-1',
  clientId: 'nightly',
  clientName: 'Nightly batch',
  upstream: NO_UPSTREAM,
  identity: { issuer: ISSUER, subject: 'nightly' },
  resource: `${ISSUER}/crm/mcp`,
  scope: [],
  openedAt: NOW,
  upstreamTokens: { accessToken: '', issuedAt: NOW, expiresAt: NOW + 900 },
  version: 0,
}
const [KEY] = deriveAssertionKeys(createKeyRing([Buffer.alloc(32, 1)]))

function createInjectorFor(credential: BackendCredential) {
  const assertions = createAssertionIssuer(KEY, ISSUER, () => NOW)
  return createInjector(() => ({ upstream: 'default', credential }), assertions)
}

describe('a grant without an upstream', () => {
  it.each([{ kind: 'none' }, { kind: 'assertion', audience: 'crm', ttlSeconds: 60 }] as const)(
    'is good to its end for a backend with %j',
    credential => {
      const injector = createInjectorFor(credential)
      expect(injector.judge(GRANT, NOW, 0)).toBe('fresh')
      expect(injector.judge(GRANT, NOW + 899, 0)).toBe('fresh')
    },
  )

  it('gives its backend nothing, or the word of the gateway', () => {
    expect(createInjectorFor({ kind: 'none' }).accessTokenOf(GRANT)).toBeUndefined()
    const credential = { kind: 'assertion', audience: 'crm', ttlSeconds: 60 } as const
    const assertion = createInjectorFor(credential).accessTokenOf(GRANT) ?? ''
    expect(decodeJwt(assertion)).toMatchObject({ sub: 'nightly', aud: 'crm' })
  })

  it.each([
    { kind: 'upstream' },
    { kind: 'refresh', scope: ['a'], params: {} },
    { kind: 'exchange', audience: 'crm', scope: [] },
  ] as const)(
    'is of no use any more for a backend that is configured with %j since',
    credential => {
      const injector = createInjectorFor(credential)
      expect(injector.credentialOf(GRANT)).toBeUndefined()
      expect(injector.accessTokenOf(GRANT)).toBeUndefined()
      expect(injector.judge(GRANT, NOW, 0)).toBe('stale')
    },
  )
})

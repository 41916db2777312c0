import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createAuthorizationServerApp } from '../../src/authorization-server/routes.ts'
import { createGrantEnding } from '../../src/authorization-server/tokens/grant-ending.ts'
import { deriveAssertionKeys } from '../../src/domain/assertion-key.ts'
import { createKeyRing } from '../../src/domain/key-ring.ts'
import { createGateway, ISSUER } from './support.ts'

async function jsonAt(path: string, isAsserting: boolean): Promise<[number, unknown]> {
  const { server } = createGateway()
  const keys = deriveAssertionKeys(createKeyRing([randomBytes(32), randomBytes(32)]))
  const assertionKeys = keys.map(({ publicJwk }) => publicJwk)
  const asserting = { ...server, ...(isAsserting && { assertionKeys }) }
  const app = createAuthorizationServerApp(asserting, createGrantEnding(asserting))
  const response = await app.request(ISSUER + path)
  return [response.status, await response.json()]
}

const METADATA = '/.well-known/oauth-authorization-server'

describe('keys for backends that get assertions (RFC 7517)', () => {
  it('are published, all of the ring, and named in the metadata', async () => {
    const [status, body] = await jsonAt('/jwks', true)
    expect([status, body]).toEqual([
      200,
      { keys: [expect.objectContaining({ kty: 'EC' }), expect.objectContaining({ kty: 'EC' })] },
    ])
    expect(JSON.stringify(body)).not.toContain('"d"')
    expect(await jsonAt(METADATA, true)).toMatchObject([200, { jwks_uri: `${ISSUER}/jwks` }])
  })

  it('are not there where no backend gets any', async () => {
    expect((await jsonAt('/jwks', false))[0]).toBe(404)
    expect((await jsonAt(METADATA, false))[1]).not.toHaveProperty('jwks_uri')
  })
})

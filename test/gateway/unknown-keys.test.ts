import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  decodeClientId,
  encodeClientId,
} from '../../src/authorization-server/clients/registered-client.ts'
import { createAccessTokens } from '../../src/authorization-server/tokens/access-token.ts'
import { createKeyRing } from '../../src/domain/key-ring.ts'
import { mintRefreshToken, verifyRefreshToken } from '../../src/domain/refresh-token.ts'
import { noteUnknownKeys } from '../../src/gateway/unknown-keys.ts'
import { createLogger } from '../../src/observability/log.ts'

const NOW = 1_800_000_000
const GRANT_ID = 'a'.repeat(22)

function setUp() {
  const gone = createKeyRing([randomBytes(32)])
  const kept = createKeyRing([randomBytes(32)])
  const log: Record<string, unknown>[] = []
  let passedMs = 0
  const logger = createLogger('info', { write: line => void log.push(JSON.parse(line)) })
  const ring = noteUnknownKeys(kept, logger, () => passedMs)
  return {
    ...{ gone, kept, ring, log },
    advance: (ms: number) => {
      passedMs += ms
    },
  }
}

const metadata = {
  clientName: 'A',
  redirectUris: ['http://127.0.0.1/cb'],
  authMethod: 'none',
} as const

describe('something that was made with a key which is gone', () => {
  it('is refused with one line that names the key: an access token', async () => {
    const { gone, ring, log } = setUp()
    const issuer = 'https://mcp.example.com'
    const token = await createAccessTokens(gone, issuer, () => NOW).mint({
      ...{ grantId: GRANT_ID, clientId: 'c', subject: 's', resource: `${issuer}/a`, scope: [] },
      ...{ issuedAt: NOW, expiresAt: NOW + 60 },
    })
    expect(await createAccessTokens(ring, issuer, () => NOW).verify(token)).toBeUndefined()
    expect(log).toMatchObject([{ what: 'access token', kid: gone.kids[0], known: ring.kids }])
    expect(JSON.stringify(log)).not.toContain(token.split('.')[2])
  })

  it.each([[7], [null], [{}], [['x'.repeat(100)]], [true]])(
    'is refused and not logged where its name is no text, but %j',
    async kid => {
      const { ring, log } = setUp()
      const header = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'at+jwt', kid }))
      const token = `${header.toString('base64url')}.e30.eA`
      const { verify } = createAccessTokens(ring, 'https://mcp.example.com', () => NOW)
      expect(await verify(token)).toBeUndefined()
      expect(log).toEqual([])
    },
  )

  it('is refused with one line that names the key: a refresh token', () => {
    const { gone, ring, log } = setUp()
    const token = mintRefreshToken(gone, GRANT_ID, 0)
    expect(verifyRefreshToken(ring, token)).toBeUndefined()
    expect(log).toMatchObject([{ what: 'refresh token', kid: gone.kids[0] }])
  })

  it('is refused with one line that names the key: a client id', () => {
    const { gone, ring, log } = setUp()
    expect(decodeClientId(ring, encodeClientId(gone, metadata, NOW))).toBeUndefined()
    expect(log).toMatchObject([{ what: 'client id', kid: gone.kids[0] }])
  })

  it('is logged once in ten seconds, with how many were not', () => {
    const { ring, log, advance } = setUp()
    for (const kid of ['one', 'two', 'three']) ring.find('client-id', kid)
    advance(10_000)
    ring.find('client-id', `four${'x'.repeat(100)}`)
    expect(log).toMatchObject([
      { kid: 'one', unsaid: 0 },
      { kid: 'fourxxxxxxxxxxxx', unsaid: 2 },
    ])
  })

  it('is nothing to log where the key is there, or where something else says so', () => {
    const { kept, ring, log } = setUp()
    expect(decodeClientId(ring, encodeClientId(kept, metadata, NOW))).toMatchObject({
      clientName: 'A',
    })
    expect(ring.find('seal', 'gone')).toBeUndefined()
    expect(log).toEqual([])
  })
})

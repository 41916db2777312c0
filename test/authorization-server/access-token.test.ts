import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { decodeJwt, decodeProtectedHeader, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { createAccessTokens } from '../../src/authorization-server/tokens/access-token.ts'
import { createKeyRing } from '../../src/domain/key-ring.ts'
import { createId } from '../../src/domain/secret.ts'
import { ISSUER } from './support.ts'

const NOW = 1_800_000_000
const key = randomBytes(32)
const ring = createKeyRing([key])
const tokens = createAccessTokens(ring, ISSUER, () => NOW)

const claims = {
  grantId: createId(),
  clientId: 'c_client',
  subject: 'alice',
  resource: `${ISSUER}/crm/mcp`,
  scope: ['crm.read', 'crm.write'],
  issuedAt: NOW,
  expiresAt: NOW + 900,
}

const PAYLOAD = {
  iss: ISSUER,
  aud: claims.resource,
  sub: 'alice',
  client_id: 'c_client',
  gid: claims.grantId,
  scope: 'crm.read',
  jti: createId(),
  iat: NOW,
  exp: NOW + 900,
}

/** A token of our own making but for what is changed. */
function forge(
  payload: Record<string, unknown> = {},
  header: Record<string, string> = {},
  secret: Uint8Array = ring.current('access-token').key,
): Promise<string> {
  const { kid } = ring.current('access-token')
  return new SignJWT({ ...PAYLOAD, ...payload } as JWTPayload)
    .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid, ...header })
    .sign(secret)
}

describe('access tokens (RFC 9068 section 2)', () => {
  it('have the header and the claims of the standard, and the grant', async () => {
    const token = await tokens.mint(claims)
    const { kid } = ring.current('access-token')
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'HS256', typ: 'at+jwt', kid })
    expect(decodeJwt(token)).toEqual({
      iss: ISSUER,
      sub: 'alice',
      aud: claims.resource,
      client_id: 'c_client',
      scope: 'crm.read crm.write',
      gid: claims.grantId,
      jti: expect.stringMatching(/^[\w-]{22}$/),
      iat: NOW,
      exp: NOW + 900,
    })
  })

  it('have an id each', async () => {
    const [one, two] = [await tokens.mint(claims), await tokens.mint(claims)]
    expect(decodeJwt(one).jti).not.toBe(decodeJwt(two).jti)
  })

  it('are read as they were minted', async () => {
    const token = await tokens.mint(claims)
    expect(await tokens.verify(token)).toEqual({ ...claims, tokenId: decodeJwt(token).jti })
  })

  it('count seconds, whole ones, whatever the clock counts (known failure 40)', async () => {
    const token = await tokens.mint({ ...claims, issuedAt: NOW + 0.9, expiresAt: NOW + 900.9 })
    expect(decodeJwt(token)).toMatchObject({ iat: NOW, exp: NOW + 900 })
  })
})

describe('what is not accepted as an access token (RFC 9068 section 4)', () => {
  it('what is forged is right otherwise, so that the refusals below are for what was changed', async () => {
    expect(await tokens.verify(await forge())).toBeDefined()
  })

  it.each<[string, () => Promise<string> | string]>([
    ['alg none', () => new UnsecuredJWT(PAYLOAD).encode()],
    [
      'alg none in front of a signature',
      async () => withHeader(await forge(), { alg: 'none', typ: 'at+jwt' }),
    ],
    ['another algorithm', () => forge({}, { alg: 'HS512' }, randomBytes(64))],
    ['another key', () => forge({}, {}, randomBytes(32))],
    ['a key that the ring does not hold', () => forge({}, { kid: 'unknown1' })],
    ['no key id', async () => withHeader(await forge(), { alg: 'HS256', typ: 'at+jwt' })],
    ['the key of another purpose', () => forge({}, {}, ring.current('client-id').key)],
    ['the key of the ring itself', () => forge({}, {}, key)],
    ['typ JWT', () => forge({}, { typ: 'JWT' })],
    ['the typ of an ID-JAG', () => forge({}, { typ: 'oauth-id-jag+jwt' })],
    ['another issuer', () => forge({ iss: 'https://evil.example' })],
    ['the issuer with a slash', () => forge({ iss: `${ISSUER}/` })],
    ['an end that has come', () => forge({ exp: NOW })],
    ['a beginning yet to come', () => forge({ nbf: NOW + 1 })],
    ['several audiences', () => forge({ aud: [claims.resource, 'https://other.example'] })],
    ['a scope that is a list', () => forge({ scope: ['crm.read'] })],
    ['a malformed scope', () => forge({ scope: 'crm.read "' })],
    ['a numeric subject', () => forge({ sub: 7 })],
    ...['aud', 'sub', 'exp', 'iat', 'jti', 'gid', 'client_id', 'scope', 'iss'].map(
      (name): [string, () => Promise<string>] => [`no ${name}`, () => forge({ [name]: undefined })],
    ),
  ])('one with %s', async (_what, make) => {
    expect(await tokens.verify(await make())).toBeUndefined()
  })

  it('one that was changed anywhere', async () => {
    const token = await tokens.mint(claims)
    const change = fc.tuple(fc.nat(token.length - 1), fc.constantFrom(...'ABab01-_.'))
    await fc.assert(
      fc.asyncProperty(change, async ([at, character]) => {
        const tampered = token.slice(0, at) + character + token.slice(at + 1)
        // The last character of a part has bits that no byte needs.
        fc.pre(tampered !== token && !isSameBytes(tampered, token))
        expect(await tokens.verify(tampered)).toBeUndefined()
      }),
    )
  })

  it('anything else, without a fault', async () => {
    const part = fc
      .oneof(fc.json(), fc.string())
      .map(text => Buffer.from(text).toString('base64url'))
    const text = fc.oneof(
      fc.string(),
      fc.tuple(part, part, part).map(parts => parts.join('.')),
    )
    await fc.assert(
      fc.asyncProperty(text, async token => {
        expect(await tokens.verify(token)).toBeUndefined()
      }),
    )
  })
})

describe('access tokens and the key ring', () => {
  it('are accepted until their key leaves the ring', async () => {
    const token = await tokens.mint(claims)
    const verify = (...keys: Buffer[]) =>
      createAccessTokens(createKeyRing(keys), ISSUER, () => NOW).verify(token)
    const fresh = randomBytes(32)
    expect(await verify(fresh, key)).toBeDefined()
    expect(await verify(fresh)).toBeUndefined()
  })

  it('are minted with its first key', async () => {
    const fresh = createKeyRing([randomBytes(32), key])
    const token = await createAccessTokens(fresh, ISSUER, () => NOW).mint(claims)
    expect(decodeProtectedHeader(token).kid).toBe(fresh.kids[0])
  })

  it('of another gateway with the same keys are not accepted', async () => {
    const other = createAccessTokens(ring, 'https://other.example', () => NOW)
    expect(await tokens.verify(await other.mint(claims))).toBeUndefined()
  })
})

function withHeader(token: string, header: object): string {
  return token.replace(/^[^.]*/, Buffer.from(JSON.stringify(header)).toString('base64url'))
}

function isSameBytes(left: string, right: string): boolean {
  const bytes = (token: string) =>
    token
      .split('.')
      .map(part => Buffer.from(part, 'base64url').toString('hex'))
      .join('.')
  return bytes(left) === bytes(right)
}

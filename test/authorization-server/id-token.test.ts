import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  SCRIPTED_TOKENS,
  type ScriptedIdp,
  startScriptedIdp,
  type TokenRequest,
} from '../support/scripted-idp.ts'
import { outcomeOf } from './sign-in.ts'
import { createGateway, ISSUER } from './support.ts'

let scripted: ScriptedIdp

beforeAll(async () => {
  scripted = await startScriptedIdp()
})
afterEach(() => {
  scripted.answerCallback({})
  scripted.answerToken(async request => tokens(await scripted.signIdToken(request)))
})
afterAll(() => scripted.close())

function tokens(idToken: string): Record<string, unknown> {
  return { ...SCRIPTED_TOKENS, id_token: idToken }
}

describe('the ID token is checked (OpenID Connect Core section 3.1.3.7; known failure 10)', () => {
  const forge = {
    'with another nonce': request => scripted.signIdToken(request, { nonce: 'another' }),
    'without a nonce': ({ form }) =>
      scripted.signIdToken({ form, nonce: '' }, { nonce: undefined }),
    'of another issuer': request => scripted.signIdToken(request, { iss: 'https://evil.example' }),
    'for another audience': request => scripted.signIdToken(request, { aud: 'somebody-else' }),
    'for several audiences and another authorized party': request =>
      scripted.signIdToken(request, { aud: ['gateway', 'other'], azp: 'other' }),
    'that has expired': request => scripted.signIdToken(request, { exp: 1_000_000_000 }),
    'without a subject': request => scripted.signIdToken(request, { sub: undefined }),
    'of an empty subject': request => scripted.signIdToken(request, { sub: '' }),
    'signed with another key': async request => resign(await scripted.signIdToken(request)),
    'signed with an unpublished key': request =>
      scripted.signIdToken(request, {}, { kid: 'unpublished' }),
    'that is no JWT': async () => 'garbage',
    'with alg none': async request => unsecure(await scripted.signIdToken(request)),
    'with alg HS256 and the client secret as its key': async request =>
      symmetric(await scripted.signIdToken(request)),
  } satisfies Record<string, (request: TokenRequest) => Promise<string>>

  it.each(Object.entries(forge))('one %s gets nothing', async (_what, make) => {
    scripted.answerToken(async request => tokens(await make(request)))
    const gateway = createGateway({ idp: scripted })
    expect(await outcomeOf(gateway)).toEqual({
      error: 'server_error',
      error_description: 'signing in failed',
      state: 'client-state',
      iss: ISSUER,
    })
    expect(await gateway.store.grants.listBySubject(scripted.issuer, 'alice')).toEqual([])
  })

  it('one that is missing gets nothing', async () => {
    scripted.answerToken(() => SCRIPTED_TOKENS)
    expect((await outcomeOf(createGateway({ idp: scripted }))).error).toBe('server_error')
  })

  it('a right one gets a code, so that the refusals above are for what was forged', async () => {
    expect(await outcomeOf(createGateway({ idp: scripted }))).toHaveProperty('code')
  })
})

describe('the issuer of the callback (RFC 9207 section 2.4; known failure 10)', () => {
  it('of another IdP gets nothing, and the code is not redeemed', async () => {
    const before = scripted.tokenRequests.length
    scripted.answerCallback({ iss: 'https://evil.example' })
    expect((await outcomeOf(createGateway({ idp: scripted }))).error).toBe('server_error')
    expect(scripted.tokenRequests.length).toBe(before)
  })

  it('that is missing gets nothing where it is required', async () => {
    const before = scripted.tokenRequests.length
    const upstream = { issParam: 'require' as const }
    expect((await outcomeOf(createGateway({ idp: scripted, upstream }))).error).toBe('server_error')
    expect(scripted.tokenRequests.length).toBe(before)
    scripted.answerCallback({ iss: scripted.issuer })
    expect(await outcomeOf(createGateway({ idp: scripted, upstream }))).toHaveProperty('code')
  })

  it('that is missing gets nothing where the IdP says that it sends it', async () => {
    const strict = await startScriptedIdp({ authorization_response_iss_parameter_supported: true })
    expect((await outcomeOf(createGateway({ idp: strict }))).error).toBe('server_error')
    await strict.close()
  })
})

/** The same claims, signed with a key that the IdP has not. */
async function resign(token: string): Promise<string> {
  const { privateKey } = await generateKeyPair('ES256')
  return new SignJWT(claimsOf(token))
    .setProtectedHeader({ alg: 'ES256', kid: 'key-1' })
    .sign(privateKey)
}

async function unsecure(token: string): Promise<string> {
  return new UnsecuredJWT(claimsOf(token)).encode()
}

async function symmetric(token: string): Promise<string> {
  const key = new TextEncoder().encode(scripted.clientSecret)
  return new SignJWT(claimsOf(token)).setProtectedHeader({ alg: 'HS256' }).sign(key)
}

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}

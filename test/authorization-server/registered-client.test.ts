import { createHmac, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKeyRing } from '../../src/domain/key-ring.ts'
import type { Store } from '../../src/store/port.ts'
import { postRegistration, REDIRECT_URI, register } from './sign-in.ts'
import { createDeadStore, createGateway } from './support.ts'

const gateway = () => createGateway()

let deadStore: Store

beforeAll(async () => {
  deadStore = await createDeadStore()
})
afterAll(() => deadStore.close())

describe('client ids that are the registration itself (RFC 7591 appendix A.5.2)', () => {
  it('are of characters that no URL, form or header encodes', async () => {
    const answer = await register(gateway(), {
      client_name: 'Ünïcode ✓ name',
      token_endpoint_auth_method: 'client_secret_basic',
    })
    expect(answer.client_id).toMatch(/^[A-Za-z0-9\-_.~]{1,2000}$/)
  })

  it('differ for equal metadata, and so do the secrets', async () => {
    const server = gateway()
    const metadata = { token_endpoint_auth_method: 'client_secret_post' }
    const [one, two] = [await register(server, metadata), await register(server, metadata)]
    expect(one.client_id).not.toBe(two.client_id)
    expect(one.client_secret).not.toBe(two.client_secret)
  })

  it('need no store to be made, so nothing grows under an open endpoint (known failure 23)', async () => {
    const server = createGateway({ store: () => deadStore })
    const response = await postRegistration(server, { redirect_uris: [REDIRECT_URI] })
    expect(response.status).toBe(201)
  })

  it('outlive every process that has the key (known failure 22)', async () => {
    const ring = createKeyRing([randomBytes(32)])
    const { client_id } = await register(createGateway({ ring }))
    const restarted = createGateway({ ring })
    restarted.clock.advance(365 * 86_400)
    const form = { client_id, token: 'unknown' }
    expect((await restarted.post('/revoke', form)).status).toBe(200)
    expect((await gateway().post('/revoke', form)).status).toBe(401)
  })

  it.each<[string, Record<string, unknown>]>([
    ['a member that this version does not know', { z: 1 }],
    ['another way to authenticate', { a: 'tls_client_auth' }],
    ['a member that has changed its kind', { r: 'http://127.0.0.1/cb' }],
  ])('of a later version are unknown, not a fault of ours: %s', async (_, changes) => {
    const ring = createKeyRing([randomBytes(32)])
    const { kid, key } = ring.current('client-id')
    const known = { i: 'x', t: 1, n: 'A client', r: [REDIRECT_URI], a: 'none' }
    const encode = (form: object) => Buffer.from(JSON.stringify(form)).toString('base64url')
    const idOf = (form: object) => {
      const body = `${encode(form)}.${kid}`
      return `c_${body}.${createHmac('sha256', key).update(body).digest('base64url')}`
    }
    const server = createGateway({ ring })
    const ask = (form: object) => server.post('/revoke', { client_id: idOf(form), token: 'x' })
    expect((await ask(known)).status).toBe(200)
    const response = await ask({ ...known, ...changes })
    expect(response.status).toBe(401)
    expect(await response.json()).toMatchObject({ error: 'invalid_client' })
  })

  it('are unknown with any character changed', async () => {
    const server = gateway()
    const { client_id } = await register(server)
    const changed = fc.tuple(fc.nat(client_id.length - 1), fc.constantFrom(...'ABab01-_.~'))
    await fc.assert(
      fc.asyncProperty(changed, async ([at, character]) => {
        const tampered = client_id.slice(0, at) + character + client_id.slice(at + 1)
        fc.pre(tampered !== client_id)
        const response = await server.post('/revoke', { client_id: tampered, token: 'x' })
        expect(response.status).toBe(401)
        expect(await response.json()).toMatchObject({ error: 'invalid_client' })
      }),
    )
  })

  it('are refused where they would break URLs', async () => {
    const redirect_uris = Array.from(
      { length: 20 },
      (_, i) => `https://a.example/${i}${'x'.repeat(100)}`,
    )
    const response = await postRegistration(gateway(), { redirect_uris })
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({
      error: 'invalid_client_metadata',
      error_description: 'the metadata is too long',
    })
  })

  it('carry nothing of the IdP, and neither does the answer (known failure 11)', async () => {
    const idp = {
      issuer: 'https://idp.example.com',
      clientId: 'the-idp-client',
      clientSecret: 'the-idp-client-secret',
    }
    const response = await postRegistration(createGateway({ idp }), {
      redirect_uris: [REDIRECT_URI],
      token_endpoint_auth_method: 'client_secret_post',
    })
    const text = await response.text()
    const [, body = ''] = JSON.parse(text).client_id.split(/[_.]/)
    const decoded = Buffer.from(body, 'base64url').toString()
    for (const secret of Object.values(idp)) expect(text + decoded).not.toContain(secret)
  })
})

import { describe, expect, it } from 'vitest'
import { createSecretsLog } from './secrets-log.ts'

describe('the log of secrets', () => {
  const SECRET = 'a secret/with+odd=signs>>??'

  it.each([
    ['as it is', SECRET],
    ['percent-encoded', encodeURIComponent(SECRET)],
    ['as base64', btoa(SECRET).replace(/=+$/, '')],
    ['as base64url', Buffer.from(SECRET).toString('base64url')],
    ['as hex', Buffer.from(SECRET).toString('hex')],
  ])('finds a secret %s', (_, form) => {
    const secrets = createSecretsLog()
    secrets.add('token', SECRET)
    expect(secrets.findIn(`before ${form} after`)).toEqual([{ kind: 'token', value: SECRET, form }])
    expect(secrets.findIn('before after')).toEqual([])
  })

  it.each([0, 1, 2, 3])(
    'finds a secret in the base64 of a text that has %i characters before it',
    count => {
      const secrets = createSecretsLog()
      secrets.add('token', SECRET)
      const text = `${'{'.repeat(count)}${SECRET}", and more}`
      expect(secrets.findIn(btoa(text))).toHaveLength(1)
      expect(secrets.findIn(Buffer.from(text).toString('base64url'))).toHaveLength(1)
      expect(secrets.findIn(btoa(text.replace('odd', 'off')))).toEqual([])
    },
  )

  it('finds the secret part of a token whose rest anybody may know', () => {
    const secrets = createSecretsLog()
    secrets.addTokens({
      refresh_token: 'rt_grant-id.the-part-that-is-secret',
      token_type: 'Bearer',
    })
    expect(secrets.findIn('the-part-that-is-secret')).toHaveLength(1)
    expect(secrets.findIn('grant-id Bearer')).toEqual([])
  })

  it('takes secrets, and nothing else, from URLs, forms and cookies', () => {
    const secrets = createSecretsLog()
    secrets.addUrl(
      'http://a.example/?code=the-code-itself&client_id=a-known-client&state=short#token=in-a-fragment',
    )
    secrets.addForm(
      new URLSearchParams({ code_verifier: 'the-verifier', grant_type: 'authorization_code' }),
    )
    secrets.addCookies(['__Host-flow=the-cookie-value; Path=/; Secure', 'gone=; Max-Age=0'])
    const text =
      'the-code-itself a-known-client in-a-fragment the-verifier authorization_code the-cookie-value'
    expect(secrets.findIn(text).map(({ value }) => value)).toEqual([
      'the-code-itself',
      'in-a-fragment',
      'the-verifier',
      'the-cookie-value',
    ])
    expect(secrets.size).toBe(4)
  })

  it('refuses a secret that would be found by chance', () => {
    expect(() => createSecretsLog().add('token', 'abc')).toThrow('too short')
  })
})

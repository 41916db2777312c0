import { describe, expect, test } from 'vitest'
import { createSelfSigned } from '../support/self-signed.ts'
import { complaints, MINIMAL, readTree } from './support.ts'

const ONE = createSelfSigned(['one.example'])
const TWO = createSelfSigned(['two.example'])
const FILES = { 'one.crt': ONE.cert, 'one.key': ONE.key, 'two.key': TWO.key, 'no.pem': 'no PEM' }

const complain = (tls: Record<string, unknown>, overrides: Record<string, unknown> = {}) =>
  complaints({ listen: { tls }, ...overrides }, { files: FILES })

describe('listen.tls', () => {
  test('takes the content of the files, and keeps the port’s default', () => {
    const tls = { cert: 'file:one.crt', key: 'file:one.key', clientCa: 'file:one.crt' }
    const { listen } = readTree({ ...MINIMAL, listen: { tls } }, { files: FILES })
    // A reference drops the line end at the end of a file.
    const [cert, key] = [ONE.cert.trimEnd(), ONE.key.trimEnd()]
    expect(listen).toEqual({ host: '0.0.0.0', port: 8080, tls: { cert, key, clientCa: cert } })
  })

  test.each([
    [
      'a key of another certificate',
      'file:one.crt',
      'file:two.key',
      ['key: is not the key of the certificate'],
    ],
    [
      'a certificate that is none',
      'file:no.pem',
      'file:one.key',
      ['cert: is no certificate in PEM'],
    ],
    ['a key that is none', 'file:one.crt', 'file:no.pem', ['key: is no unencrypted key in PEM']],
    [
      'a missing file',
      'file:one.crt',
      'file:gone',
      ['key: file gone cannot be read: there is no such file'],
    ],
  ])('refuses %s, and quotes nothing of it', (_what, cert, key, said) => {
    expect(complain({ cert, key })).toEqual(said.map(text => `listen.tls.${text}`))
  })

  test('refuses a client authority that is none', () => {
    const pair = { cert: 'file:one.crt', key: 'file:one.key' }
    for (const file of ['file:no.pem', 'file:one.key']) {
      expect(complain({ ...pair, clientCa: file })).toEqual([
        'listen.tls.clientCa: is no certificate in PEM',
      ])
    }
  })

  test('needs both files, and a publicUrl with https', () => {
    expect(complain({ cert: 'file:one.crt' })).toEqual(['listen.tls.key: is required'])
    const tls = { cert: 'file:one.crt', key: 'file:one.key' }
    expect(complain(tls, { publicUrl: 'http://localhost:8080' })).toEqual([
      'listen.tls: needs a publicUrl with https',
    ])
  })
})

describe('the ports of listen and ops', () => {
  const wrong = 'listen.port: is the port of ops'

  test.each([
    [{ listen: { port: 9090 } }, [wrong]],
    [{ ops: { port: 8080 } }, ['ops.port: is the port of listen']],
    [{ listen: { host: '127.0.0.1', port: 9090 } }, [wrong]],
    [{ listen: { host: '192.0.2.1', port: 9090 }, ops: { host: '0.0.0.0' } }, [wrong]],
    [{ listen: { host: '192.0.2.1', port: 9090 } }, []],
    [{ listen: { port: 9091 } }, []],
  ])('differ, unless their addresses do: %j', (overrides, expected) => {
    expect(complaints(overrides)).toEqual(expected)
  })
})

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { runCheck } from '../../src/cli/check.ts'
import { MINIMAL } from '../config/support.ts'

describe('the command check', () => {
  let folder: string
  let file: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gateway-check-'))
    file = join(folder, 'gateway.config.yaml')
  })

  afterEach(() => rmSync(folder, { recursive: true }))

  const check = (text: string, effective = false) => {
    writeFileSync(file, text)
    const written = { stdout: '', stderr: '' }
    const into = (stream: keyof typeof written) => ({
      write: (chunk: string) => {
        written[stream] += chunk
      },
    })
    const code = runCheck({
      file,
      effective,
      env: {},
      stdout: into('stdout'),
      stderr: into('stderr'),
    })
    return { code, ...written }
  }

  it('says what a right configuration comes to', () => {
    expect(check(stringify(MINIMAL))).toEqual({
      code: 0,
      stdout: [
        `${file} is valid: https://mcp.example.com, upstream oidc, 1 backend, state in memory, for one process only`,
        'Callback URL to register at the IdP: https://mcp.example.com/callback',
        '',
      ].join('\n'),
      stderr: '',
    })
  })

  it('says whose tokens open the backends, and of no callback, where nobody signs in here', () => {
    const [backend] = MINIMAL.backends
    const external = {
      publicUrl: MINIMAL.publicUrl,
      auth: 'external',
      authorizationServer: { issuer: 'https://as.example.com' },
      backends: [{ ...backend, scopes: {}, credential: 'none' }],
    }
    expect(check(stringify(external)).stdout).toBe(
      `${file} is valid: https://mcp.example.com, tokens of https://as.example.com, 1 backend\n`,
    )
  })

  it('prints the effective configuration, and nothing else, for other programs', () => {
    const { code, stdout, stderr } = check(stringify(MINIMAL), true)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(parse(stdout)).toMatchObject({
      keepAlive: '75s',
      upstream: { clientSecret: '[redacted]' },
    })
  })

  it.each([false, true])(
    'lists every fault with its place and exits with 2 (effective: %s)',
    effective => {
      const text = stringify(MINIMAL).replace('instances:', 'instanses:').concat('keepAlive: 75\n')
      expect(check(text, effective)).toEqual({
        code: 2,
        stdout: '',
        stderr: [
          `${file}:8:5  backends[0].instances  is required`,
          `${file}:9:5  backends[0].instanses  unknown key; did you mean "instances"?`,
          `${file}:11:12  keepAlive  expected a duration such as 500ms, 15m or 30d`,
          `3 faults in ${file}`,
          '',
        ].join('\n'),
      })
    },
  )
})

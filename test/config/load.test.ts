// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is what references look like
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { loadConfig } from '../../src/config/load.ts'
import { MINIMAL, OIDC } from './support.ts'

describe('a configuration file', () => {
  let folder: string
  let file: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gateway-config-'))
    file = join(folder, 'gateway.config.yaml')
  })

  afterEach(() => rmSync(folder, { recursive: true }))

  const write = (clientSecret: string): void =>
    writeFileSync(file, stringify({ ...MINIMAL, upstream: { ...OIDC, clientSecret } }))

  it('refers to files relative to itself, or by their whole path', () => {
    mkdirSync(join(folder, 'secrets'))
    writeFileSync(join(folder, 'secrets', 'client'), 'from-a-file\n')
    for (const reference of [
      'file:secrets/client',
      'file:./secrets/client',
      `file:${folder}/secrets/client`,
      `file://${folder}/secrets/client`,
    ]) {
      write(reference)
      expect(loadConfig(file, {}).upstream).toMatchObject({ clientSecret: 'from-a-file' })
    }
  })

  it.each([
    ['file:missing', 'file missing cannot be read: there is no such file'],
    ['file:.', 'file . cannot be read: it is a directory'],
  ])('is refused where it refers to %s', (reference, message) => {
    write(reference)
    expect(() => loadConfig(file, {})).toThrow(`upstream.clientSecret  ${message}`)
  })

  it('is refused where an environment variable is not set', () => {
    write('${SECRET}')
    expect(() => loadConfig(file, {})).toThrow('environment variable SECRET is not set')
    expect(loadConfig(file, { SECRET: 'a' }).upstream).toMatchObject({ clientSecret: 'a' })
  })

  it('is refused where it is not there', () => {
    expect(() => loadConfig(join(folder, 'other.yaml'), {})).toThrow(
      /other\.yaml:1:1 {2}cannot be read: there is no such file/,
    )
  })
})

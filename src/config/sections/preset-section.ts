/** The section of an upstream with a preset, made from the preset table. */
import { z } from 'zod'
import type { PresetSetting, UpstreamPreset } from '../../upstream/preset.ts'
import type { PresetName } from '../../upstream/presets.ts'
import { flag, milliseconds, parsed, text } from '../fields.ts'
import { Malformed } from '../malformed.ts'
import { distinct, itself, onSection, resolved } from '../shapes.ts'
import { parseIssuer } from '../urls.ts'
import { credentialShape, findCredentialFault } from './client-credential.ts'
import { parameters } from './parameters.ts'
import { scopeToken } from './scope.ts'

/** What every upstream with a preset decodes to: the keys that only it has are apart. */
export type PresetUpstream = Common & {
  provider: PresetName
  settings: Record<string, string | string[] | boolean | undefined>
  issuer?: string
  clientSecret?: string
  clientKey?: { key: string; certificate?: string; keyId?: string }
  clientAssertionFile?: string
  timeoutMs: number
}

type Common = Omit<z.output<ReturnType<typeof commonSection>>, 'timeout'>

/** @returns the section of one provider, with its own keys and those that all have */
export function presetSection(name: PresetName, preset: UpstreamPreset) {
  const own = ownShape(preset.settings)
  const { clientId, ...common } = commonSection(preset).shape
  const section = z
    .strictObject({
      provider: z.literal(name).describe(preset.title),
      ...own,
      clientId,
      ...credentialShape(preset.credentials),
      ...common,
      ...(!('issuer' in own) && { issuer: issuerOverride() }),
    })
    .check(
      z.superRefine<Record<string, unknown>>((value, context) => {
        const credentialFault = findCredentialFault(value, preset.credentials)
        const faults = [
          ...(preset.findFaults?.(value) ?? []),
          ...(credentialFault ? [credentialFault] : []),
        ]
        for (const { key, message } of faults) {
          context.addIssue({ code: 'custom', message, path: [key] })
        }
      }, onSection),
    )
  const isOwn = ([key]: [string, unknown]): boolean => key in own
  return resolved(
    section,
    written => {
      const { timeout, ...rest } = Object.fromEntries(
        Object.entries(written).filter(entry => !isOwn(entry)),
      )
      const settings = Object.fromEntries(Object.entries(written).filter(isOwn))
      // Built from this very shape; zod only cannot know it of keys that come from a table.
      return { ...rest, settings, timeoutMs: timeout } as unknown as PresetUpstream
    },
    ({ settings, timeoutMs, ...rest }) =>
      ({ ...rest, ...settings, timeout: timeoutMs }) as unknown as z.output<typeof section>,
  )
}

function commonSection({ scopes, defaults, claims }: UpstreamPreset) {
  return z.strictObject({
    clientId: text().describe('The client that the gateway is at the IdP.'),
    scopes: z
      .array(scopeToken())
      .check(distinct(itself, 'is listed twice'))
      .prefault([...scopes.default])
      .describe(scopes.description),
    authorizeParams: parameters('Further parameters of the authorization request.'),
    codeParams: parameters('Further parameters of the token request that redeems a code.'),
    refreshParams: parameters(
      'Further parameters of the token request that redeems a refresh token.',
    ),
    tokenAuthMethod: z
      .enum(['client_secret_post', 'client_secret_basic'])
      .default(defaults.tokenAuthMethod)
      .describe('How the client secret is sent.'),
    refreshScope: z
      .enum(['granted', 'requested', 'none'])
      .default(defaults.refreshScope)
      .describe('Which `scope` a refresh sends: what was granted, what was requested, or none.'),
    issParam: z
      .enum(['require', 'verify', 'ignore'])
      .default(defaults.issParam)
      .describe(
        'The `iss` parameter of the callback (RFC 9207): required, verified where present, or ignored.',
      ),
    repeatsRefresh: flag()
      .prefault(defaults.repeatsRefresh)
      .describe(
        'Whether the IdP forgives a refresh token that is sent twice, as after a lost response.',
      ),
    claims: z
      .strictObject({
        email: claim(claims.email, 'the e-mail address'),
        name: claim(claims.name, 'the name'),
        groups: claim(claims.groups, 'the groups'),
        roles: claim(claims.roles, 'the roles'),
      })
      .prefault({}),
    timeout: milliseconds('100ms', '60s')
      .prefault('10s')
      .describe('Deadline of one request to the IdP.'),
  })
}

function claim(name: string, what: string) {
  return text()
    .default(name)
    .describe(`The claim that has ${what} of a user; a path with dots for one within another.`)
}

function issuerOverride() {
  return parsed('issuer', parseIssuer)
    .exactOptional()
    .describe('The issuer, where it is not the usual one: another cloud, or a custom domain.')
}

function ownShape(settings: UpstreamPreset['settings']): Record<string, z.ZodType> {
  return Object.fromEntries(
    Object.entries(settings).map(([key, setting]) => [key, settingSchema(setting)]),
  )
}

function settingSchema(setting: PresetSetting): z.ZodType {
  const { kind, description, isOptional } = setting
  if (kind === 'flag')
    return flag()
      .prefault(setting.default === true)
      .describe(description)
  if (kind === 'list') {
    const list = z.array(single(setting)).min(1).check(distinct(itself, 'is listed twice'))
    return (isOptional ? list.exactOptional() : list).describe(description)
  }
  const value = single(setting)
  if (typeof setting.default === 'string') {
    return value.prefault(setting.default).describe(description)
  }
  return (isOptional ? value.exactOptional() : value).describe(description)
}

function single({ kind, pattern, expected = '', because }: PresetSetting) {
  if (kind === 'url') return parsed('issuer', parseIssuer)
  const required = because === undefined ? undefined : `is required: ${because}`
  const check = (input: string): string => {
    if (input === '') throw new Malformed('must not be empty')
    if (pattern?.test(input) ?? true) return input
    throw new Malformed(expected)
  }
  return parsed('string', check, String, undefined, required)
}

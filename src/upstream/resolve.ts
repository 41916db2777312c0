import type { ClaimNames } from './identity.ts'
import type { Tenancy, UpstreamOptions } from './options.ts'
import type { StepParams, UpstreamPreset } from './preset.ts'
import { PRESETS, type PresetName } from './presets.ts'
import { fill, fillAll, qualifyScope, type TemplateValues } from './template.ts'

/** The configuration of an upstream: its preset, and what the operator says beyond it. */
export type UpstreamSettings = {
  provider: PresetName
  /** The keys that this provider has and others have not. */
  settings: TemplateValues
  /** Overrides the preset's. */
  issuer?: string
  clientId: string
  clientSecret?: string
  clientKey?: { key: string; certificate?: string; keyId?: string }
  clientAssertionFile?: string
  scopes: readonly string[]
  authorizeParams: Readonly<Record<string, string>>
  codeParams: Readonly<Record<string, string>>
  refreshParams: Readonly<Record<string, string>>
  tokenAuthMethod: UpstreamOptions['tokenAuthMethod']
  refreshScope: UpstreamOptions['refreshScope']
  issParam: UpstreamOptions['issParam']
  repeatsRefresh: boolean
  claims: Omit<ClaimNames, 'subject'>
  timeoutMs: number
}

/** Where the upstream sends the browser back to; it must be registered there. */
export function callbackUrlOf({ publicUrl }: { publicUrl: string }): string {
  return `${publicUrl}/callback`
}

/**
 * What an upstream's settings come to. Pure.
 *
 * @param callbackUrl where the upstream sends the browser back to
 * @throws RangeError where a setting is missing that the configuration has not let through
 */
export function resolveUpstreamOptions(
  upstream: UpstreamSettings,
  name: string,
  callbackUrl: string,
): UpstreamOptions {
  const preset: UpstreamPreset = PRESETS[upstream.provider]
  const { clientId, timeoutMs, tokenAuthMethod, refreshScope, repeatsRefresh } = upstream
  const issuer = upstream.issuer ?? fill(preset.issuer, upstream.settings)
  if (issuer === undefined) throw new RangeError(`the issuer of ${upstream.provider} is unknown`)
  const scopes = resolveScopes(preset, upstream)
  const values = { ...upstream.settings, clientId, issuer, scope: scopes.join(' ') }
  const tenancy = findTenancy(preset, values)
  const { hasErrorsWith200, revokesAll, unstatedLifeSeconds } = preset
  return {
    ...{ name, callbackUrl, issuer, clientId, scopes },
    ...{ timeoutMs, tokenAuthMethod, refreshScope, repeatsRefresh },
    ...resolveCredential(preset, upstream),
    ...resolveParams(preset.params, upstream, values),
    issParam: upstream.issParam,
    claims: { subject: preset.claims.subject, ...upstream.claims },
    failures: preset.failures,
    ...(preset.endpoints && { endpoints: resolveEndpoints(preset.endpoints, values) }),
    ...(tenancy && { tenancy }),
    ...(hasErrorsWith200 && { hasErrorsWith200 }),
    ...(revokesAll && { revokesAll }),
    ...(unstatedLifeSeconds !== undefined && { unstatedLifeSeconds }),
  }
}

function resolveScopes(
  { scopes }: UpstreamPreset,
  { scopes: configured, clientId, settings }: UpstreamSettings,
): string[] {
  const values = { ...settings, clientId }
  const qualified = configured.map(scope => qualifyScope(scope, scopes.template, values))
  return [...new Set([...scopes.always, ...qualified])]
}

/** What is configured comes over what the preset says; an empty value takes a parameter out. */
function resolveParams(
  params: StepParams,
  { authorizeParams, codeParams, refreshParams }: UpstreamSettings,
  values: TemplateValues,
): Pick<UpstreamOptions, 'authorizeParams' | 'codeParams' | 'refreshParams'> {
  const merge = (step: keyof StepParams, configured: Readonly<Record<string, string>>) =>
    Object.fromEntries(
      Object.entries({ ...fillAll(params[step], values), ...configured }).filter(
        ([, value]) => value !== '',
      ),
    )
  return {
    authorizeParams: merge('authorize', authorizeParams),
    codeParams: merge('code', codeParams),
    refreshParams: merge('refresh', refreshParams),
  }
}

function resolveCredential(
  { assertion }: UpstreamPreset,
  { clientSecret, clientKey, clientAssertionFile }: UpstreamSettings,
): Pick<UpstreamOptions, 'clientSecret' | 'clientKey' | 'clientAssertionFile'> {
  return {
    ...(clientSecret !== undefined && { clientSecret }),
    ...(clientKey && { clientKey: { ...assertion, ...clientKey } }),
    ...(clientAssertionFile !== undefined && { clientAssertionFile }),
  }
}

function resolveEndpoints(
  templates: NonNullable<UpstreamPreset['endpoints']>,
  values: TemplateValues,
): NonNullable<UpstreamOptions['endpoints']> {
  const resolve = (template: string): string => fill(template, values) ?? template
  const { authorization, token, user } = templates
  return { authorization: resolve(authorization), token: resolve(token), user: resolve(user) }
}

/** Who may sign in is what the first setting says that is given; nobody is kept out where none is. */
function findTenancy({ tenancy }: UpstreamPreset, values: TemplateValues): Tenancy | undefined {
  const given = tenancy?.allowed.map(name => values[name]).find(value => value !== undefined)
  if (!tenancy || given === undefined) return undefined
  const allowed = [given].flat().filter(value => typeof value === 'string')
  return { claim: tenancy.claim, allowed }
}

import type { Scope } from '../domain/scope.ts'
import type { FailureRule } from './failure-rules.ts'
import type { ClaimNames } from './identity.ts'

/** A key of the configuration that one provider has and others have not. */
export type PresetSetting = {
  description: string
  /** `url`: an issuer-like URL; `list`: several texts; `flag`: true or false. */
  kind: 'text' | 'list' | 'url' | 'flag'
  /** What a text, or each text of a list, looks like, and how to say so. */
  pattern?: RegExp
  expected?: string
  /** A setting with neither this nor `isOptional` is required. */
  default?: string | boolean
  isOptional?: boolean
  /** Said where a required setting is missing: why it is required. */
  because?: string
}

/** Further parameters, one map a step; what one step needs breaks another. */
export type StepParams = Readonly<
  Record<'authorize' | 'code' | 'refresh', Readonly<Record<string, string>>>
>

/**
 * What is known about one identity provider. Presets are data: a new one is one entry of `PRESETS`, a profile of a test emulator, and a page of documentation.
 *
 * Texts may name settings in braces, `clientId` and `issuer` among them: `{tenant}`. A parameter whose setting is not given is left out.
 */
export type UpstreamPreset = {
  /** For the reference: who it is. */
  title: string
  settings: Readonly<Record<string, PresetSetting>>
  issuer: string
  /** The endpoints of a provider that is not an OpenID provider: no discovery, no ID token; `user` says who a token belongs to. */
  endpoints?: Readonly<Record<'authorization' | 'token' | 'user', string>>
  scopes: {
    /** Asked for whatever is configured. */
    always: Scope
    default: Scope
    /** For the reference. */
    description: string
    /** How a scope that is configured by its bare name is asked for; `{scope}` is its name. */
    template?: string
  }
  params: StepParams
  credentials: readonly ('secret' | 'key' | 'assertionFile')[]
  /** What the assertion of a client key must be like: its algorithm for RSA keys, and whom it is addressed to. */
  assertion: { rsaAlgorithm: 'PS256' | 'RS256'; audience: 'issuer' | 'tokenEndpoint' }
  /** Defaults of settings that every provider has. */
  defaults: {
    tokenAuthMethod: 'client_secret_post' | 'client_secret_basic'
    refreshScope: 'granted' | 'requested' | 'none'
    issParam: 'require' | 'verify' | 'ignore'
    repeatsRefresh: boolean
  }
  /** Where several claims name the subject, all are needed, and it is all of them. */
  claims: ClaimNames
  /** Which tenants may sign in: the claim that names the tenant, and the settings that name those allowed, the first one that is given. */
  tenancy?: { claim: string; allowed: readonly string[] }
  /** How its errors differ from the standard's meaning. */
  failures: readonly FailureRule[]
  /** Errors come with status 200. */
  hasErrorsWith200?: boolean
  /** A revocation ends what the user has given this client altogether, the other logins too. */
  revokesAll?: boolean
  /** The life of an access token where its answer does not say; 3600 s otherwise. */
  unstatedLifeSeconds?: number
  /** What is wrong with settings that are right one by one. `settings` is not checked yet. */
  findFaults?: (settings: Readonly<Record<string, unknown>>) => PresetFault[]
}

export type PresetFault = { key: string; message: string }

import type { UpstreamPreset } from './preset.ts'
import { auth0 } from './presets/auth0.ts'
import { cognito } from './presets/cognito.ts'
import { entra } from './presets/entra.ts'
import { github } from './presets/github.ts'
import { google } from './presets/google.ts'
import { keycloak } from './presets/keycloak.ts'
import { oidc } from './presets/oidc.ts'
import { okta } from './presets/okta.ts'

/** The identity providers that the gateway knows, and `oidc` for every other one: a new one is a new entry. The facts behind each are in `docs/upstreams/`. */
export const PRESETS = {
  entra,
  auth0,
  okta,
  google,
  keycloak,
  cognito,
  github,
  oidc,
} satisfies Record<string, UpstreamPreset>

export type PresetName = keyof typeof PRESETS

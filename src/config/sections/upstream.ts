import { z } from 'zod'
import { PRESETS, type PresetName } from '../../upstream/presets.ts'
import { flag, port } from '../fields.ts'
import { presetSection } from './preset-section.ts'

const dev = z.strictObject({
  provider: z
    .literal('dev')
    .describe(
      'An IdP inside the gateway, for development. Refused in production and on a public URL.',
    ),
  port: port().prefault(9091).describe('Loopback port of that IdP.'),
  sampleBackends: flag()
    .prefault(false)
    .describe('Also start a sample MCP server on each loopback port that `backends` names.'),
})

const { entra, ...others } = PRESETS

/** Every member resolves to the same type; a new IdP is a new preset. */
const presetSections = [
  presetSection('entra', entra),
  ...Object.entries(others).map(([name, preset]) => presetSection(name as PresetName, preset)),
] as const

export const upstream = z
  .discriminatedUnion('provider', [...presetSections, dev])
  .describe('The identity provider that signs people in.')

export const upstreams = z
  .record(z.string(), z.discriminatedUnion('provider', [...presetSections]), {
    error: 'expected a section of upstreams',
  })
  .describe(
    'Several identity providers instead of `upstream`: a section for each, by a name of your choice, with the keys of `upstream`. Each backend then names its own.',
  )
  .meta({ title: 'section' })

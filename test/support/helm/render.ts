import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parseAllDocuments } from 'yaml'
import * as z from 'zod'

/** A manifest, as it is handed to Kubernetes. */
export type Manifest = z.infer<typeof manifest>

export type Rendered = {
  /** The chart's values with those that were given laid over them. */
  values: unknown
  manifests: Manifest[]
  notes: string
}

export type ChartRenderer = {
  /** @throws Error with what the template says where it refuses */
  render(chart: string, values: Record<string, unknown>): Promise<Rendered>
  close(): Promise<void>
}

const RELEASE = 'gw'
export const NAMESPACE = 'mcp'

const SOURCE = join(import.meta.dirname, 'render.go')
/** Where Debian's packages of Go libraries put their sources. */
const GO = { GO111MODULE: 'off', GOPATH: '/usr/share/gocode' }
const PACKAGES = 'golang-go, golang-github-masterminds-sprig-dev and golang-k8s-sigs-yaml-dev'
const run = promisify(execFile)

const manifest = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string(),
    labels: z.record(z.string(), z.string()),
  }),
})

const output = z.object({ values: z.unknown(), files: z.record(z.string(), z.string()) })

/** Compiles the renderer; see `render.go` for how it stands to Helm. */
export async function createChartRenderer(): Promise<ChartRenderer> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-helm-'))
  const program = join(folder, 'render')
  await run('go', ['build', '-o', program, SOURCE], { env: { ...process.env, ...GO } }).catch(
    cause => {
      throw new Error(`this needs the Debian packages ${PACKAGES}`, { cause })
    },
  )
  return {
    render: async (chart, values) => {
      const file = join(folder, `${crypto.randomUUID()}.yaml`)
      // JSON is YAML of any version; an `off` of today's YAML is `false` in Helm's.
      await writeFile(file, JSON.stringify(values))
      const { stdout } = await run(program, [chart, RELEASE, NAMESPACE, file])
      return read(stdout)
    },
    close: () => rm(folder, { recursive: true }),
  }
}

function read(stdout: string): Rendered {
  const { values, files } = output.parse(JSON.parse(stdout))
  const { 'templates/NOTES.txt': notes = '', ...templates } = files
  const documents = Object.values(templates).flatMap(text => parseAllDocuments(text))
  const manifests = documents.map(document => {
    const [error] = document.errors
    if (error) throw error
    return document.toJS() as unknown
  })
  return {
    values,
    manifests: manifests.filter(value => value !== null).map(value => manifest.parse(value)),
    notes,
  }
}

import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as z from 'zod'
import type { Manifest } from './render.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../../..')
/** Below the project, so that the compiler finds the types there. */
const OUTPUT = join(ROOT, 'test-output')

/** Where kubernetes-models has the JSON Schema of a kind, compiled, and its type. */
const BUILT_IN: Readonly<Record<string, { schema: string; type: string }>> = {
  'apps/v1 Deployment': { schema: 'IoK8sApiAppsV1Deployment', type: 'apps/v1' },
  'v1 ConfigMap': { schema: 'IoK8sApiCoreV1ConfigMap', type: 'v1' },
  'v1 Service': { schema: 'IoK8sApiCoreV1Service', type: 'v1' },
  'v1 ServiceAccount': { schema: 'IoK8sApiCoreV1ServiceAccount', type: 'v1' },
  'policy/v1 PodDisruptionBudget': {
    schema: 'IoK8sApiPolicyV1PodDisruptionBudget',
    type: 'policy/v1',
  },
  'autoscaling/v2 HorizontalPodAutoscaler': {
    schema: 'IoK8sApiAutoscalingV2HorizontalPodAutoscaler',
    type: 'autoscaling/v2',
  },
  'networking.k8s.io/v1 NetworkPolicy': {
    schema: 'IoK8sApiNetworkingV1NetworkPolicy',
    type: 'networking.k8s.io/v1',
  },
  'networking.k8s.io/v1 Ingress': {
    schema: 'IoK8sApiNetworkingV1Ingress',
    type: 'networking.k8s.io/v1',
  },
}

const duration = z.string().regex(/^\d+(ms|s|m|h)$/)
const strings = z.record(z.string(), z.string())

/** The fields of other people's kinds that the chart uses, as their documentation has them. */
const CUSTOM: Readonly<Record<string, z.ZodType>> = {
  'monitoring.coreos.com/v1 ServiceMonitor': z.strictObject({
    jobLabel: z.string(),
    selector: z.strictObject({ matchLabels: strings }),
    endpoints: z
      .array(
        z.strictObject({ port: z.string(), path: z.string().startsWith('/'), interval: duration }),
      )
      .min(1),
  }),
  'monitoring.coreos.com/v1 PrometheusRule': z.strictObject({
    groups: z
      .array(
        z.strictObject({
          name: z.string(),
          interval: duration.optional(),
          rules: z.array(
            z.strictObject({
              alert: z.string().optional(),
              record: z.string().optional(),
              expr: z.string(),
              for: duration.optional(),
              keep_firing_for: duration.optional(),
              labels: strings.optional(),
              annotations: strings.optional(),
            }),
          ),
        }),
      )
      .min(1),
  }),
  'gateway.networking.k8s.io/v1 HTTPRoute': z.strictObject({
    parentRefs: z
      .array(
        z.strictObject({
          name: z.string(),
          namespace: z.string().optional(),
          sectionName: z.string().optional(),
        }),
      )
      .min(1),
    hostnames: z.array(z.string()).min(1),
    rules: z.array(
      z.strictObject({
        matches: z.array(
          z.strictObject({
            path: z.strictObject({ type: z.literal('PathPrefix'), value: z.string() }),
          }),
        ),
        timeouts: z.strictObject({ request: duration, backendRequest: duration }),
        backendRefs: z.array(z.strictObject({ name: z.string(), port: z.int() })),
      }),
    ),
  }),
}

const validator = z.looseObject({
  validate: z.custom<((data: unknown) => boolean) & { errors?: unknown[] }>(
    value => typeof value === 'function',
  ),
})

/** Why Kubernetes would refuse a manifest, by the schema of its kind; a kind that is not known here is a fault too. */
export async function findFaults(manifest: Manifest): Promise<unknown[]> {
  const kind = kindOf(manifest)
  const custom = CUSTOM[kind]
  if (custom) return custom.safeParse(manifest.spec).error?.issues ?? []
  const builtIn = BUILT_IN[kind]
  if (!builtIn) return [`no schema for ${kind}`]
  const module = await import(`kubernetes-models/_schemas/${builtIn.schema}`)
  const { validate } = validator.parse(module)
  return validate(manifest) ? [] : (validate.errors ?? [])
}

/**
 * What the compiler says of manifests as values of their kinds' types. It finds what the schemas let pass: fields that do not exist, which Kubernetes drops without a word.
 *
 * @returns its output; empty where all is well
 */
export async function findUnknownFields(manifests: readonly Manifest[]): Promise<string> {
  await mkdir(OUTPUT, { recursive: true })
  const folder = await mkdtemp(join(OUTPUT, 'manifests-'))
  const known = manifests.filter(manifest => kindOf(manifest) in BUILT_IN)
  const lines = known.map(manifest => {
    const type = `import('kubernetes-models/${BUILT_IN[kindOf(manifest)]?.type}').I${manifest.kind}`
    return `{ const manifest: ${type} = ${JSON.stringify(manifest, null, 2)}; void manifest }`
  })
  const file = join(folder, 'manifests.ts')
  await writeFile(file, `${lines.join('\n')}\nexport {}\n`)
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext']
  const compiler = join(ROOT, 'node_modules/.bin/tsc')
  try {
    const args = [...options, '--ignoreConfig', '--types', 'node', file]
    return (await run(compiler, args, { cwd: ROOT })).stdout
  } catch (error) {
    return (error as { stdout?: string }).stdout ?? String(error)
  } finally {
    await rm(folder, { recursive: true })
  }
}

function kindOf({ apiVersion, kind }: Manifest): string {
  return `${apiVersion} ${kind}`
}

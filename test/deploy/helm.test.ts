import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import packageJson from '../../package.json' with { type: 'json' }
import type { GatewayConfig } from '../../src/config/schema.ts'
import { KEY, read } from '../config/support.ts'
import { findFaults, findUnknownFields } from '../support/helm/kubernetes.ts'
import {
  type ChartRenderer,
  createChartRenderer,
  type Manifest,
  NAMESPACE,
  type Rendered,
} from '../support/helm/render.ts'
import { readValuesSchema } from '../support/helm/values-schema.ts'
import { CASES, MONITORING, REQUIRED, SECRETS, type Values } from './chart-cases.ts'

const CHART = join(import.meta.dirname, '../../deploy/helm/mcp-auth-gateway')

let renderer: ChartRenderer

beforeAll(async () => {
  renderer = await createChartRenderer()
}, 180_000)

afterAll(() => renderer?.close())

const render = (values: Values) => renderer.render(CHART, values)

function find({ manifests }: Rendered, kind: string): Manifest & { spec: never; data: never } {
  const found = manifests.find(manifest => manifest.kind === kind)
  if (!found) throw new Error(`no ${kind}`)
  return found as Manifest & { spec: never; data: never }
}

// biome-ignore lint/suspicious/noExplicitAny: manifests are judged by their schemas, above
const spec = (rendered: Rendered, kind: string): any => find(rendered, kind).spec

/** The labels by which a manifest means the gateway's pods. */
function selectorOf({ kind, spec: own }: Manifest): object[] {
  // biome-ignore lint/suspicious/noExplicitAny: judged by its schema
  const one = own as any
  if (kind === 'Service') return [one.selector]
  if (kind === 'PodDisruptionBudget') return [one.selector.matchLabels]
  return kind === 'NetworkPolicy' ? [one.podSelector.matchLabels] : []
}

function configOf(rendered: Rendered): GatewayConfig {
  const text = (find(rendered, 'ConfigMap').data as Record<string, string>)['gateway.config.yaml']
  return read(text ?? '', {
    env: { POD_IP: '10.1.2.3' },
    files: {
      [`${SECRETS}/gateway-key`]: KEY,
      [`${SECRETS}/redis-url`]: 'redis://:secret@redis:6379',
      [`${SECRETS}/client-secret`]: 'secret',
      [`${SECRETS}/ops-token`]: 'token',
    },
  })
}

describe.each(Object.entries(CASES))('the chart, with %s', (_, values) => {
  let rendered: Rendered

  beforeAll(async () => {
    rendered = await render(values)
  })

  it('renders only what Kubernetes takes', async () => {
    expect(rendered.manifests.length).toBeGreaterThan(2)
    for (const manifest of rendered.manifests) {
      expect(await findFaults(manifest), manifest.kind).toEqual([])
      expect(manifest.metadata.namespace).toBe(NAMESPACE)
    }
  })

  it('has no field that Kubernetes does not know', async () => {
    expect(await findUnknownFields(rendered.manifests)).toBe('')
  }, 60_000)

  it('has a configuration that the gateway takes, with an ops listener at the pod only', () => {
    const config = configOf(rendered)
    expect(config.publicUrl).toBe('https://mcp.example.com')
    expect(config.listen.port).toBe(8080)
    expect(config.ops).toMatchObject({ host: '10.1.2.3', port: 9090 })
  })

  it('kills no pod that may still drain, and waits not much longer', () => {
    const { drain } = configOf(rendered)
    const pod = spec(rendered, 'Deployment').template.spec
    const needed = (drain.delayMs + drain.deadlineMs) / 1000
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(needed + 5)
    expect(pod.terminationGracePeriodSeconds).toBeLessThan(needed + 30)
  })

  it('selects the pods that it makes, everywhere', () => {
    const { selector, template } = spec(rendered, 'Deployment')
    const selectors = rendered.manifests.flatMap(selectorOf)
    expect(selectors.length).toBeGreaterThan(0)
    for (const labels of [selector.matchLabels, ...selectors]) {
      expect(labels).toEqual(selector.matchLabels)
      expect(template.metadata.labels).toMatchObject(labels)
    }
  })

  it('gives the pod no right that it does not need', () => {
    const pod = spec(rendered, 'Deployment').template.spec
    expect(pod.automountServiceAccountToken).toBe(false)
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    })
    expect(pod.containers).toHaveLength(1)
    expect(pod.containers[0].securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    expect(pod.containers[0].resources.limits.memory).toBeDefined()
  })

  it('probes what each path is for, at a port that the container has', () => {
    const [container] = spec(rendered, 'Deployment').template.spec.containers
    const paths = ['startupProbe', 'livenessProbe', 'readinessProbe'].map(name => {
      expect(container[name].httpGet.port).toBe('ops')
      return container[name].httpGet.path
    })
    expect(paths).toEqual(['/startupz', '/livez', '/readyz'])
    expect(container.ports).toContainEqual({ name: 'ops', containerPort: 9090 })
  })

  it('takes every secret from the Secret that it is told', () => {
    expect(rendered.manifests.map(({ kind }) => kind)).not.toContain('Secret')
    const pod = spec(rendered, 'Deployment').template.spec
    const [container] = pod.containers
    const mount = container.volumeMounts.find((one: { name: string }) => one.name === 'secrets')
    expect(mount).toMatchObject({ mountPath: SECRETS, readOnly: true })
    const volume = pod.volumes.find((one: { name: string }) => one.name === 'secrets')
    // Readable for the pod's group, for nobody else.
    expect(volume.secret).toEqual({ secretName: 'gateway-secrets', defaultMode: 0o440 })
  })

  it('says in its notes what to register and where clients connect', () => {
    expect(rendered.notes).toContain('https://mcp.example.com/callback')
    expect(rendered.notes).toContain('https://mcp.example.com/crm/mcp')
    expect(rendered.notes).not.toContain('<no value>')
  })

  it('has values that its schema takes', async () => {
    expect((await readValuesSchema(CHART)).safeParse(rendered.values).error?.issues).toBeUndefined()
  })
})

describe('the chart', () => {
  it('is of the version of the package', async () => {
    const chart = parse(await readFile(join(CHART, 'Chart.yaml'), 'utf8'))
    expect(chart.appVersion).toBe(packageJson.version)
    expect(chart.description).toBe(packageJson.description)
  })

  it('leaves the number of replicas to the autoscaler where there is one', async () => {
    expect(spec(await render(CASES['what is required']!), 'Deployment').replicas).toBeUndefined()
    expect(spec(await render(CASES['a fixed number of replicas']!), 'Deployment').replicas).toBe(5)
  })

  it('starts pods anew when the configuration changes, and only then', async () => {
    const checksum = async (values: Values) =>
      spec(await render(values), 'Deployment').template.metadata.annotations['checksum/config']
    const before = await checksum(REQUIRED)
    expect(await checksum({ ...REQUIRED, resources: {} })).toBe(before)
    const changed = { ...REQUIRED.config, log: { level: 'debug' } }
    expect(await checksum({ ...REQUIRED, config: changed })).not.toBe(before)
  })

  it('has one Service with which Prometheus finds the pods, and an autoscaler that finds them', async () => {
    const rendered = await render(CASES.everything!)
    const { selector, endpoints } = spec(rendered, 'ServiceMonitor')
    const found = rendered.manifests.filter(
      ({ kind, metadata }) =>
        kind === 'Service' &&
        Object.keys(selector.matchLabels).every(
          name => metadata.labels[name] === selector.matchLabels[name],
        ),
    )
    expect(found).toHaveLength(1)
    // biome-ignore lint/suspicious/noExplicitAny: judged by its schema
    const { ports } = found[0]!.spec as any
    expect(ports[0].name).toBe(endpoints[0].port)
    const { scaleTargetRef } = spec(rendered, 'HorizontalPodAutoscaler')
    expect(scaleTargetRef.name).toBe(find(rendered, 'Deployment').metadata.name)
  })

  it('drains for longer than the readiness probe needs to see it', async () => {
    const rendered = await render(REQUIRED)
    const [{ readinessProbe }] = spec(rendered, 'Deployment').template.spec.containers
    const { periodSeconds, failureThreshold, timeoutSeconds } = readinessProbe
    const needed = periodSeconds * failureThreshold + timeoutSeconds
    expect(configOf(rendered).drain.delayMs / 1000).toBeGreaterThan(needed)
  })

  it('lets nobody to the ops listener but whom it is told', async () => {
    const closed = spec(await render(REQUIRED), 'NetworkPolicy')
    expect(closed.ingress).toEqual([{ ports: [{ port: 'http', protocol: 'TCP' }] }])
    const open = spec(await render(CASES.everything!), 'NetworkPolicy')
    expect(open.ingress[1]).toEqual({
      ports: [{ port: 'ops', protocol: 'TCP' }],
      from: [MONITORING],
    })
    expect(open.policyTypes).toEqual(['Ingress', 'Egress'])
  })

  it('has the alerts and the dashboard of this repository', async () => {
    const rendered = await render({
      ...REQUIRED,
      prometheusRule: { enabled: true },
      dashboard: { enabled: true },
    })
    for (const manifest of rendered.manifests) expect(await findFaults(manifest)).toEqual([])
    const alerts = await readFile(join(CHART, '../../alerts/mcp-auth-gateway.rules.yaml'), 'utf8')
    expect(spec(rendered, 'PrometheusRule')).toEqual(parse(alerts))
    const dashboard = await readFile(join(CHART, '../../grafana/mcp-auth-gateway.json'), 'utf8')
    const { data } = rendered.manifests.find(
      ({ metadata }) => metadata.labels.grafana_dashboard === '1',
    ) as { data?: Record<string, string> }
    expect(JSON.parse(data?.['mcp-auth-gateway.json'] ?? '')).toEqual(JSON.parse(dashboard))
  })

  it('is called by Prometheus as the alerts call it, whatever the release is called', async () => {
    const rendered = await render(CASES.everything!)
    const { jobLabel } = spec(rendered, 'ServiceMonitor')
    const ops = rendered.manifests.find(({ metadata }) => metadata.name.endsWith('-ops'))
    const alerts = await readFile(join(CHART, '../../alerts/mcp-auth-gateway.rules.yaml'), 'utf8')
    const [, job = 'none'] = /job=~"([^"]+)"/.exec(alerts) ?? []
    expect(ops?.metadata.labels[jobLabel]).toMatch(new RegExp(`^${job}$`))
  })

  it.each([
    [
      'several replicas have no store',
      { config: { ...REQUIRED.config, redis: undefined } },
      'redis',
    ],
    ['there is no Secret', { existingSecret: '' }, 'existingSecret'],
    ['there are no keys', { config: { ...REQUIRED.config, keys: undefined } }, 'config.keys'],
    ['there is no image', { image: {} }, 'image.repository'],
    [
      'a duration is none',
      { config: { ...REQUIRED.config, drain: { delay: 'soon' } } },
      'soon is no duration',
    ],
  ])('refuses to render where %s, and says so', async (_, change, reason) => {
    await expect(render({ ...REQUIRED, ...change })).rejects.toThrow(reason)
  })
})

const hasHelm = spawnSync('helm', ['version']).status === 0

describe('Helm itself, where it is installed', () => {
  it.skipIf(!hasHelm)('finds nothing to complain about, and renders the same kinds', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-values-'))
    try {
      const file = join(folder, 'values.yaml')
      await writeFile(file, stringify(CASES.everything))
      execFileSync('helm', ['lint', '--strict', CHART, '--values', file])
      const output = execFileSync('helm', ['template', 'gw', CHART, '--values', file], {
        encoding: 'utf8',
      })
      const kinds = [...output.matchAll(/^kind: (\w+)$/gm)].map(([, kind]) => kind)
      const ours = (await render(CASES.everything!)).manifests.map(({ kind }) => kind)
      expect(kinds.sort()).toEqual(ours.sort())
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

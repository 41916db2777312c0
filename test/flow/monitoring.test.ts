/** Alert rules, dashboard and the page on metrics against what a running gateway exports, and against a real Prometheus that has scraped it. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { mintKey } from '../../src/domain/key-ring.ts'
import { anchorsOf, readPage } from '../docs/pages.ts'
import { IN_FLIGHT_AT_MOST, type Stage, scrape, startStage, useAll } from '../fault/alerts/stage.ts'
import { call, refresh, type Session, signIn } from '../fault/client.ts'
import { endpointOf } from '../fault/house.ts'
import { startGateways } from '../support/gateway-process.ts'
import { fillIn, readDashboard } from '../support/prometheus/dashboard.ts'
import {
  type Exposition,
  labelNamesOf,
  namesOf,
  type Sample,
} from '../support/prometheus/exposition.ts'
import { readExpression } from '../support/prometheus/promql.ts'
import { RULES } from '../support/prometheus/promtool.ts'
import { type PrometheusServer, startPrometheus } from '../support/prometheus/server.ts'
import { waitFor } from '../support/wait-for.ts'

type Rule = {
  alert: string
  expr: string
  labels: { severity: string }
  annotations: { summary: string; description: string; runbook_url: string }
}

const rules = parse(readFileSync(RULES, 'utf8')).groups[0].rules as Rule[]
const dashboard = readDashboard()
const panels = dashboard.panels.filter(({ type }) => type !== 'row')
const queries = panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }, index) => [`${title} ${index + 1}`, expr] as const),
)
const expressions = [...rules.map(({ alert, expr }) => [alert, expr] as const), ...queries]

/** What Prometheus adds to each series, or writes itself. */
const FROM_PROMETHEUS = { metrics: ['up'], labels: ['job', 'instance', 'namespace', 'le'] }

let stage: Stage
let exported: Exposition
let prometheus: PrometheusServer

beforeAll(async () => {
  stage = await startStage()
  const targets = stage.house.replicas.map(({ opsOrigin }) => new URL(opsOrigin).host)
  prometheus = await startPrometheus(targets)
  await useEverything(await signIn(stage.house))
  const found = await scrape(stage.house.replicas[0]!.opsOrigin)
  if (!found) throw new Error('no metrics')
  exported = { ...found, samples: [...found.samples, ...(await observeWorkers())] }
}, 90_000)
afterAll(() => Promise.all([stage.close(), prometheus.stop()]))

/** What only a gateway with workers, or with lists that are kept, exports. */
async function observeWorkers(): Promise<Sample[]> {
  const [gateway] = await startGateways(1, {
    publicUrl: 'http://127.0.0.1:8080',
    keys: [mintKey()],
    ...{ redis: { url: stage.house.redis!.url }, workers: 2 },
    upstream: {
      ...{ provider: 'oidc', issuer: 'http://127.0.0.1:9', clientId: 'a', clientSecret: 'b' },
    },
    backends: [{ path: '/crm/mcp', instances: ['http://127.0.0.1:9/mcp'], cache: { lists: true } }],
  })
  const found = await scrape(gateway!.opsOrigin)
  await gateway!.stop()
  const isIts = /^mcp_gateway_(worker|list_cache_requests)/
  return found?.samples.filter(({ name }) => isIts.test(name)) ?? []
}

/** So that every panel has something to show. */
async function useEverything(session: Session): Promise<void> {
  await useAll(stage, 1)
  for (const replica of stage.house.replicas) {
    await call({ accessToken: 'none' }, replica)
    await callTool(session, replica)
    await sendNonsense(replica)
  }
  await refresh(session, stage.house.front)
}

async function sendNonsense({ origin }: { origin: string }): Promise<void> {
  const { hostname, port } = new URL(origin)
  const socket = connect(Number(port), hostname)
  socket.end('NONSENSE\r\n\r\n')
  socket.resume()
  await once(socket, 'close')
}

async function callTool({ accessToken }: Session, replica: { origin: string }): Promise<void> {
  const response = await fetch(endpointOf(replica), {
    method: 'POST',
    headers: {
      authorization: `Bearer ${accessToken}`,
      'content-type': 'application/json',
      'mcp-method': 'tools/call',
      'mcp-name': 'add',
    },
    body: '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add"}}',
  })
  await response.text()
}

describe('what rules and dashboard ask for', () => {
  it.each(expressions)('is exported by the running gateway: %s', (_, expression) => {
    const { selectors, groupedBy } = readExpression(fillIn(expression))
    const names = namesOf(exported)
    for (const { metric, matchers } of selectors) {
      if (FROM_PROMETHEUS.metrics.includes(metric)) continue
      expect([...names]).toContain(metric)
      const known = [...labelNamesOf(exported, metric), ...FROM_PROMETHEUS.labels]
      expect(known).toEqual(expect.arrayContaining(matchers.map(({ label }) => label)))
    }
    const all = selectors.flatMap(({ metric }) => [...labelNamesOf(exported, metric)])
    expect([...all, ...FROM_PROMETHEUS.labels]).toEqual(expect.arrayContaining(groupedBy))
  })

  it('would be found out with a metric or a label that is nowhere', () => {
    const { selectors } = readExpression(
      'sum by (tool) (rate(mcp_gateway_calls_total{who="x"}[5m]))',
    )
    expect(selectors).toEqual([
      { metric: 'mcp_gateway_calls_total', matchers: [{ label: 'who', op: '=', value: 'x' }] },
    ])
    expect(namesOf(exported).has('mcp_gateway_calls_total')).toBe(false)
    expect(() => readExpression('sum(up')).toThrow('does not parse')
  })
})

describe('the dashboard', () => {
  it('can be imported: ids are distinct, panels do not overlap, all use the chosen Prometheus', () => {
    const ids = dashboard.panels.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) => {
      expect(x + w).toBeLessThanOrEqual(24)
      return Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`)
    })
    expect(new Set(cells).size).toBe(cells.length)
    const uids = panels.flatMap(({ datasource, targets = [] }) =>
      [datasource, ...targets.map(target => target.datasource)].map(source => source?.uid),
    )
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's notation
    expect(new Set(uids)).toEqual(new Set(['${datasource}']))
  })

  it('has the rows that on-call looks for', () => {
    const rows = dashboard.panels.filter(({ type }) => type === 'row').map(({ title }) => title)
    expect(rows).toEqual([
      'Overview',
      'Traffic',
      'Latency: gateway and backend apart',
      'Sign-ins and tokens',
      'Refreshes at the identity provider',
      'Store',
      'Instances and streams',
      'Limits and caches',
      'Process',
    ])
  })

  it('chooses by labels that exist', () => {
    const asked = dashboard.templating.list.flatMap(({ query }) => {
      const [, selector, label] = /^label_values\((.*), (\w+)\)$/.exec(textOf(query)) ?? []
      return selector === undefined ? [] : [{ selector, label: label! }]
    })
    expect(asked.map(({ label }) => label)).toEqual(['job', 'instance', 'backend'])
    for (const { selector, label } of asked) {
      const [{ metric } = { metric: '' }] = readExpression(fillIn(selector)).selectors
      expect([...labelNamesOf(exported, metric), 'job', 'instance']).toContain(label)
    }
  })

  it.each(queries)(
    'shows something: %s',
    async (_, expression) => {
      const session = await signIn(stage.house)
      await waitFor(
        async () => {
          const answers = await prometheus.query(fillIn(expression))
          if (answers.some(({ value }) => !Number.isNaN(value))) return true
          await useEverything(session)
          return false
        },
        { what: `an answer to ${expression}`, timeoutMs: 20_000, intervalMs: 200 },
      )
    },
    40_000,
  )

  it('tells replicas apart where it says so, and counts what was done', async () => {
    const lag = await prometheus.query('mcp_gateway_nodejs_eventloop_lag_p99_seconds')
    expect(lag).toHaveLength(stage.house.replicas.length)
    const [streams] = await prometheus.query('sum(mcp_gateway_requests_in_flight)')
    expect(streams!.value).toBeLessThanOrEqual(IN_FLIGHT_AT_MOST)
    const [calls] = await prometheus.query('sum(mcp_gateway_requests_total{outcome="ok"})')
    expect(calls!.value).toBeGreaterThan(10)
  })
})

function textOf(query: string | { query: string }): string {
  return typeof query === 'string' ? query : query.query
}

describe('the alert rules', () => {
  it.each(rules.map(rule => [rule.alert, rule] as const))(
    'say of %s how bad it is, what it is, and where to read on',
    (alert, { labels, annotations }) => {
      expect(['critical', 'warning']).toContain(labels.severity)
      expect(annotations.summary.length).toBeGreaterThan(10)
      expect(annotations.description.length).toBeGreaterThan(40)
      expect(annotations.runbook_url).toBe(`docs/runbooks.md#${alert.toLowerCase()}`)
      expect(anchorsOf(readPage('docs/runbooks.md'))).toContain(alert.toLowerCase())
    },
  )

  it('are accepted by Prometheus and quiet while all is well', async () => {
    for (const { expr } of rules) await prometheus.query(expr)
    const critical = rules.filter(({ labels }) => labels.severity === 'critical')
    for (const { expr } of critical) expect(await prometheus.query(expr)).toEqual([])
  })

  it('have sections in docs/runbooks.md that say what it means, who is affected, and how to verify', () => {
    const sections = readPage('docs/runbooks.md').text.split(/^## /m)
    const named = sections.filter(section => section.startsWith('McpGateway'))
    expect(named.map(section => section.split('\n')[0])).toEqual(rules.map(({ alert }) => alert))
    for (const section of named) {
      for (const part of ['**Means**', '**Affected**', '**Verify**', '\n1. '])
        expect(section).toContain(part)
    }
  })
})

describe('docs/observability.md', () => {
  const page = readPage('docs/observability.md')

  it('has each cache of the running gateway in its table, with a star where look-ups are counted', () => {
    const [, section = ''] = page.text.split('\n## Caches\n')
    const rows = [...section.matchAll(/\| `([a-z_]+)`( \\\*)? \|$/gm)]
    const cachesOf = (metric: string) =>
      exported.samples.flatMap(({ name, labels }) =>
        name === metric ? [/cache="(\w+)"/.exec(labels)?.[1]] : [],
      )
    const documented = rows.map(([, name]) => name)
    expect(documented.toSorted()).toEqual(cachesOf('mcp_gateway_cache_entries').toSorted())
    const starred = rows.flatMap(([, name, star]) => (star === undefined ? [] : [name]))
    const counted = cachesOf('mcp_gateway_cache_lookups_total')
    expect(counted).toContain('access_tokens')
    expect(starred).toEqual(expect.arrayContaining(counted))
  })

  it.each(['access_tokens', 'addresses', 'bearers', 'grants'])(
    'and the gauge of %s shows what a call leaves there',
    cache => {
      const isIt = ({ name, labels }: Sample) =>
        name === 'mcp_gateway_cache_entries' && labels.includes(`cache="${cache}"`)
      expect(exported.samples.find(isIt)?.value).toBeGreaterThan(0)
    },
  )

  const rows = [...page.text.matchAll(/^\| `(mcp_gateway_\w+)` \|(.*)$/gm)].map(
    ([, metric = '', rest = '']) => ({
      metric,
      alerts: [...rest.matchAll(/\(runbooks\.md#(\w+)\)/g)].map(([, anchor = '']) => anchor),
    }),
  )

  it('names only metrics that are exported', () => {
    const families = [...exported.types.keys(), ...namesOf(exported)]
    expect(families).toEqual(expect.arrayContaining(rows.map(({ metric }) => metric)))
    expect(rows.length).toBeGreaterThan(15)
  })

  it('names with each metric exactly the alerts that look at it', () => {
    const asked = new Map<string, string[]>()
    for (const { alert, expr } of rules) {
      const metrics = readExpression(expr).selectors.map(({ metric }) => familyOf(metric))
      for (const metric of new Set(metrics))
        asked.set(metric, [...(asked.get(metric) ?? []), alert.toLowerCase()])
    }
    asked.delete('up')
    const described = rows.filter(({ alerts }) => alerts.length > 0)
    expect(
      Object.fromEntries(described.map(({ metric, alerts }) => [metric, alerts.sort()])),
    ).toEqual(Object.fromEntries([...asked].map(([metric, alerts]) => [metric, alerts.sort()])))
  })

  function familyOf(name: string): string {
    const family = name.replace(/_(bucket|count|sum)$/, '')
    return exported.types.has(family) ? family : name
  }
})

/** Real faults of real processes, and what the alert rules of deploy/alerts make of the metrics that they leave. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { checkRules, expectAlerts, RULES } from '../../support/prometheus/promtool.ts'
import { stretch } from '../../support/prometheus/recording.ts'
import { BACKEND_SCENES } from './backend-scenes.ts'
import { PROCESS_SCENES } from './process-scenes.ts'
import { SETTING_SCENES } from './setting-scenes.ts'
import { type Stage, startStage } from './stage.ts'
import { STORE_SCENES } from './store-scenes.ts'
import { UPSTREAM_SCENES } from './upstream-scenes.ts'

const SCENES = {
  'the store': STORE_SCENES,
  'the identity provider': UPSTREAM_SCENES,
  'a backend': BACKEND_SCENES,
  'a process': PROCESS_SCENES,
  'what is installed': SETTING_SCENES,
}
/** A machine that runs tests is slow at times. A scene whose fault is slowness names these itself. */
const TIMING = ['McpGatewayEventLoopLag', 'McpGatewaySlow', 'McpGatewayStoreSlow']

const rules = parse(readFileSync(RULES, 'utf8')).groups[0].rules as { alert: string }[]

describe('the alert rules', () => {
  it('are well-formed', () => checkRules())

  it('each have a fault that makes them fire', () => {
    const provoked = new Set(Object.values(SCENES).flatMap(scenes => scenes.flatMap(s => s.alerts)))
    expect([...provoked].sort()).toEqual(rules.map(({ alert }) => alert).sort())
  })
})

describe.each(Object.entries(SCENES))('with a fault of %s', (_, scenes) => {
  let stage: Stage
  beforeAll(async () => {
    stage = await startStage()
  }, 60_000)
  afterAll(() => stage.close())

  it.each(scenes.map(scene => [scene.fault, scene.alerts.join(', '), scene] as const))(
    '%s: exactly %s',
    async (_fault, _alerts, { alerts, record, mayFire = [] }) => {
      const { first, stretches, at } = await record(stage)
      const disregarded = [...TIMING.filter(name => !alerts.includes(name)), ...mayFire]
      const well = { firing: [] }
      const expected = [
        { minute: at.before, ...well },
        { minute: at.during, firing: alerts },
        { minute: at.after, ...well },
      ]
      await expectAlerts(stretch(first, stretches), expected, disregarded)
    },
    120_000,
  )
})

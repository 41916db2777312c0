import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import type { InputSeries } from './recording.ts'

export const RULES = join(import.meta.dirname, '../../../deploy/alerts/mcp-auth-gateway.rules.yaml')

/** Which alerts fire at a minute of the recording. */
export type Expectation = { minute: number; firing: readonly string[] }

/** @throws Error with what promtool says, where the rules are not well-formed */
export async function checkRules(): Promise<void> {
  await run(['check', 'rules', RULES])
}

/**
 * Lets promtool evaluate the rules as they are over the series, once a minute.
 *
 * @param disregarded alerts that are no part of the expectation
 * @throws Error with what promtool says, where other alerts fire than are expected
 */
export async function expectAlerts(
  series: readonly InputSeries[],
  expectations: readonly Expectation[],
  disregarded: readonly string[] = [],
): Promise<void> {
  const others = disregarded.length > 0 ? `,alertname!~"${disregarded.join('|')}"` : ''
  const test = {
    rule_files: [RULES],
    evaluation_interval: '1m',
    tests: [
      {
        interval: '1m',
        input_series: series,
        promql_expr_test: expectations.map(({ minute, firing }) => ({
          expr: `count by (alertname) (ALERTS{alertstate="firing"${others}}) > bool 0`,
          eval_time: `${minute}m`,
          exp_samples: firing.map(name => ({ labels: `{alertname="${name}"}`, value: 1 })),
        })),
      },
    ],
  }
  const folder = mkdtempSync(join(tmpdir(), 'mcp-auth-gateway-rules-'))
  try {
    const file = join(folder, 'test.yaml')
    writeFileSync(file, stringify(test, { lineWidth: 0 }))
    await run(['test', 'rules', file])
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** The test goes on meanwhile: connections that are not attended to are lost. */
async function run(args: readonly string[]): Promise<void> {
  await promisify(execFile)('promtool', args).catch(error => {
    throw new Error(`promtool: ${error.message}\n${error.stdout ?? ''}${error.stderr ?? ''}`)
  })
}

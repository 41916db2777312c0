/**
 * The long run: many users, short tokens, replicas that come and go. Prints what it cost, and fails where the promise was broken.
 *
 *     npm run soak -- --grants 500 --minutes 10 --replicas 3
 */
import { parseArgs } from 'node:util'
import { runSoak, type SoakOptions, type SoakReport } from './soak-run.ts'
import { judgeSoak, type Verdict } from './soak-verdict.ts'

const { values } = parseArgs({
  options: {
    grants: { type: 'string', default: '500' },
    minutes: { type: 'string', default: '10' },
    replicas: { type: 'string', default: '3' },
    'restart-seconds': { type: 'string', default: '20' },
    'token-seconds': { type: 'string', default: '30' },
  },
})

const report = await runSoak(readOptions())
const verdict = judgeSoak(report)
print(report, verdict)
process.exitCode = verdict.every(({ isKept }) => isKept) ? 0 : 1

function readOptions(): SoakOptions {
  return {
    grants: positive('grants'),
    minutes: positive('minutes'),
    replicas: positive('replicas'),
    restartSeconds: positive('restart-seconds'),
    tokenSeconds: positive('token-seconds'),
  }
}

function positive(name: keyof typeof values): number {
  const value = Number(values[name])
  if (value > 0) return value
  throw new RangeError(`--${name} takes a number above zero`)
}

function print({ options, elapsedSeconds, restarts, clients }: SoakReport, verdict: Verdict): void {
  const { grants, replicas, tokenSeconds } = options
  const rows = [
    ['', 'run', `${grants} grants, ${replicas} replicas, tokens of ${tokenSeconds} s`],
    ['', 'time', `${elapsedSeconds.toFixed(0)} s, ${restarts} restarts of a replica`],
    ['', 'clients', `${clients.calls} calls, ${clients.refreshes} refreshes of their own tokens`],
    ['', 'tried again by clients', `${clients.retries} (a replica that had just ended, or 503)`],
    ...verdict.map(({ clause, found, isKept }) => [isKept ? 'kept' : 'BROKEN', clause, found]),
  ]
  const widths = [0, 1].map(column => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  for (const [mark = '', name = '', found = ''] of rows) {
    process.stdout.write(`${mark.padEnd(widths[0]!)}  ${name.padEnd(widths[1]!)}  ${found}\n`)
  }
}

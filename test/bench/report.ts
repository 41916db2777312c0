import { median, percentile } from './figures.ts'
import type { ColdGrants, ExpiryStorm } from './grants.ts'
import type { HalfLoad } from './half-load.ts'
import type { IdleStreams } from './idle-streams.ts'
import type { KeptLists } from './kept-lists.ts'
import type { LoadResult } from './load.ts'
import type { SlowReading } from './slow-reader.ts'
import type { CrewResult, MeasuredCrew } from './workers.ts'

export type Row = { name: string; does: string; measured: readonly LoadResult[] }

/** The figures of one contender in one load scenario: medians, but of the processor time the lower quartile, since what disturbs it only ever adds to it. */
export type Summary = Row & {
  requestsPerSecond: number
  cpuMicros: number
  p50: number
  p99: number
  failures: number
}

export function summarise({ name, does, measured }: Row): Summary {
  const all = (figure: keyof LoadResult): number[] => measured.map(result => result[figure])
  const of = (figure: keyof LoadResult): number => median(all(figure))
  return {
    ...{ name, does, measured, requestsPerSecond: of('requestsPerSecond') },
    ...{ cpuMicros: percentile(all('cpuMicrosPerRequest'), 0.25), p50: of('p50'), p99: of('p99') },
    failures: measured.reduce((sum, { failures }) => sum + failures, 0),
  }
}

/** A table of medians, and of ratios to nginx, fast-proxy and the backend itself where those ran. */
export function renderLoadTable(rows: readonly Summary[]): string {
  const named = (name: string) => rows.find(row => row.name === name)
  const [nginx, fastProxy, direct] = [named('nginx'), named('fast-proxy'), named('direct')]
  return renderTable(
    [
      ...['', 'answers/s', '× nginx', '× fast-proxy', '× direct'],
      ...['CPU µs each', 'CPU: nginx = 1', 'p50 ms', 'p99 ms', 'failures', 'on the way'],
    ],
    rows.map(row => [
      row.name,
      Math.round(row.requestsPerSecond).toString(),
      ratioByRound(row, nginx, answersOf),
      ratioByRound(row, fastProxy, answersOf),
      ratioByRound(row, direct, answersOf),
      row.name === 'direct' ? '—' : row.cpuMicros.toFixed(1),
      row.name === 'direct' ? '—' : ratioByRound(row, nginx, callsPerMicro),
      row.p50.toFixed(2),
      row.p99.toFixed(2),
      `${row.failures}`,
      row.does,
    ]),
  )
}

const answersOf = (result: LoadResult): number => result.requestsPerSecond
const callsPerMicro = (result: LoadResult): number => 1 / result.cpuMicrosPerRequest

/** Each round's ratio by itself, since who else uses the machine changes from minute to minute: their median, and the middle half of them. */
function ratioByRound(
  row: Summary,
  other: Summary | undefined,
  figureOf: (result: LoadResult) => number,
): string {
  if (!other) return '—'
  if (row === other) return '1.00'
  const ratios = row.measured.flatMap((result, round) => {
    const peer = other.measured[round]
    return peer ? [figureOf(result) / figureOf(peer)] : []
  })
  const [low, middle, high] = [0.25, 0.5, 0.75].map(part => percentile(ratios, part).toFixed(2))
  return low === high ? `${middle}` : `${middle} (${low}–${high})`
}

/** @param rounds the measurements of each contender */
export function renderHalfLoad(rounds: readonly (readonly HalfLoad[])[]): string {
  return renderTable(
    ['', 'calls/s', 'p50 ms', 'p99 ms', 'failures'],
    rounds.map(measured => {
      const of = (figure: Exclude<keyof HalfLoad, 'name'>): number[] =>
        measured.map(result => result[figure])
      return [
        measured[0]?.name ?? '',
        median(of('requestsPerSecond')).toFixed(0),
        median(of('p50')).toFixed(2),
        median(of('p99')).toFixed(2),
        `${of('failures').reduce((sum, one) => sum + one, 0)}`,
      ]
    }),
  )
}

/** Two gateways do twice the work of one, on processors of their own; two workers do so as far as a call costs the same in them and the work is spread evenly. */
export function renderCrews(crews: readonly MeasuredCrew[]): string {
  const [single, pair] = crews.map(({ result }) => result)
  const scaleOf = (result: CrewResult): string => {
    if (result === single) return '1.00'
    return ratio(pair && 2 * pair.cpuMicros * pair.busiest, result.cpuMicros * result.busiest)
  }
  return renderTable(
    [
      ...['all on one processor', 'answers/s', 'CPU µs each', 'of it in the busiest process'],
      '× one process, on processors of their own',
    ],
    crews.map(({ name, result }) => [
      name,
      Math.round(result.requestsPerSecond).toString(),
      result.cpuMicros.toFixed(1),
      `${Math.round(result.busiest * 100)} %`,
      scaleOf(result),
    ]),
  )
}

export function renderSlowReaders(rows: readonly SlowReading[]): string {
  return renderTable(
    ['', 'readers at once', 'growth of memory, MB'],
    rows.map(row => [row.name, `${row.readers}`, row.growthMegabytes.toFixed(1)]),
  )
}

export function renderIdleStreams(rows: readonly IdleStreams[]): string {
  return renderTable(
    ['', 'streams', 'KB each', 'event late by, p50 ms', 'p99 ms'],
    rows.map(row => [
      ...[row.name, `${row.streams}`, row.name === 'direct' ? '—' : row.kilobytesEach.toFixed(1)],
      ...[row.p50.toFixed(2), row.p99.toFixed(2)],
    ]),
  )
}

export function renderColdGrants({ grants, commands }: ColdGrants): string {
  const rows = Object.entries(commands).map(([name, calls]) => [name, `${calls}`])
  return `${grants} calls with ${grants} grants that no cache held:\n\n${renderTable(['Redis command', 'calls'], rows)}`
}

export function renderExpiryStorm(storm: ExpiryStorm): string {
  return renderTable(
    ['calls at once', 'refreshes at the IdP', 'failures', 'all answered after, ms'],
    [[storm.calls, storm.refreshes, storm.failures, Math.round(storm.tookMs)].map(String)],
  )
}

export function renderKeptLists(rows: readonly KeptLists[]): string {
  return renderTable(
    ['the list is', 'answers/s', 'CPU µs each', 'p50 ms', 'p99 ms', 'hit ratio', 'failures'],
    rows.map(row => [
      ...[row.name, row.requestsPerSecond.toFixed(0), row.cpuMicrosPerRequest.toFixed(1)],
      ...[row.p50.toFixed(2), row.p99.toFixed(2)],
      ...[row.hitRatio === undefined ? '—' : row.hitRatio.toFixed(4), `${row.failures}`],
    ]),
  )
}

function renderTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, header.map(() => '---'), ...rows]
    .map(cells => `| ${cells.join(' | ')} |`)
    .join('\n')
}

function ratio(figure: number | undefined, reference: number | undefined): string {
  return figure === undefined || reference === undefined ? '—' : (figure / reference).toFixed(2)
}

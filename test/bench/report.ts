import type { LoadResult } from './load.ts'

export type Row = { name: string; does: string; measured: readonly LoadResult[] }

/** A table of medians, and of their ratios to nginx and to fast-proxy where those ran. */
export function renderTable(rows: readonly Row[]): string {
  const nginx = rows.find(({ name }) => name === 'nginx')
  const fastProxy = rows.find(({ name }) => name === 'fast-proxy')
  const header = [
    '',
    'requests/s',
    '× nginx',
    '× fast-proxy',
    'CPU µs',
    'p50 ms',
    'p99 ms',
    'failures',
    'on the way',
  ]
  const lines = rows.map(row => [
    row.name,
    Math.round(median(row, 'requestsPerSecond')).toString(),
    ratio(row, nginx),
    ratio(row, fastProxy),
    row.name === 'direct' ? '—' : median(row, 'cpuMicrosPerRequest').toFixed(1),
    median(row, 'p50').toFixed(2),
    median(row, 'p99').toFixed(2),
    row.measured.reduce((sum, { failures }) => sum + failures, 0).toString(),
    row.does,
  ])
  return [header, header.map(() => '---'), ...lines]
    .map(cells => `| ${cells.join(' | ')} |`)
    .join('\n')
}

function ratio(row: Row, reference: Row | undefined): string {
  if (!reference) return '—'
  return (median(row, 'requestsPerSecond') / median(reference, 'requestsPerSecond')).toFixed(2)
}

function median({ measured }: Row, figure: keyof LoadResult): number {
  const sorted = measured.map(result => result[figure]).sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

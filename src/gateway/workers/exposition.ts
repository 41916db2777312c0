/**
 * The text format of Prometheus, as this gateway writes it, and how the texts of several processes become one. Pure.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */

/** One name, with all its samples: the values by name and labels, as they are written. */
export type Family = {
  name: string
  type: string
  /** Lines in front of the samples. */
  head: string
  samples: Map<string, number>
}

type Combine = (values: readonly number[]) => number

const sum: Combine = values => values.reduce((total, value) => total + value, 0)
const largest: Combine = values => Math.max(...values)
const smallest: Combine = values => Math.min(...values)

/** Gauges of which the sum says nothing. The first that fits a sample holds. */
const GAUGES: readonly (readonly [sample: RegExp, combine: Combine])[] = [
  [/_build_info\b|_version_info\b|_config_fingerprint\b/, largest],
  // The slowest is what somebody waits for.
  [/_eventloop_lag_min_seconds/, smallest],
  [/_eventloop_lag_/, largest],
  [/_process_start_time_seconds/, smallest],
  // What is wrong for one is wrong.
  [/_store_reachable\b|_config_last_reload_successful\b/, smallest],
  // Each looks at all instances; this is as the one sees them that sees the fewest.
  [/_backend_instances\{.*state="serving"/, smallest],
  [/_backend_instances\{/, largest],
]

export function parseExposition(text: string): Family[] {
  const families: Family[] = []
  let head = ''
  for (const line of text.split('\n')) {
    if (line.startsWith('# HELP')) head = `${line}\n`
    else if (line.startsWith('# TYPE')) {
      const [name = '', type = ''] = line.slice('# TYPE '.length).split(' ')
      families.push({ name, type, head: `${head}${line}\n`, samples: new Map() })
    } else if (line !== '') {
      const end = line.lastIndexOf(' ')
      families.at(-1)?.samples.set(line.slice(0, end), parseValue(line.slice(end + 1)))
    }
  }
  return families
}

/** What grows is added up, whatever it counts; a gauge by its rule, or added up where it has none. */
export function mergeExpositions(texts: readonly (readonly Family[])[]): Family[] {
  const groups = Map.groupBy(texts.flat(), family => family.name)
  return [...groups.values()].flatMap(([first, ...others]) =>
    first ? [{ ...first, samples: mergeSamples([first, ...others]) }] : [],
  )
}

/** What stays true of a process that has ended: all that only grows. */
export function totalsOf(families: readonly Family[]): Family[] {
  return families.filter(({ type }) => type !== 'gauge')
}

export function renderExposition(families: readonly Family[]): string {
  return families
    .map(({ head, samples }) => {
      const lines = [...samples].map(([sample, value]) => `${sample} ${renderValue(value)}\n`)
      return head + lines.join('')
    })
    .join('')
}

function mergeSamples(families: readonly Family[]): Map<string, number> {
  const values = new Map<string, number[]>()
  for (const { samples } of families) {
    for (const [sample, value] of samples) {
      const known = values.get(sample)
      if (known) known.push(value)
      else values.set(sample, [value])
    }
  }
  const isGauge = families[0]?.type === 'gauge'
  return new Map(
    [...values].map(([sample, each]) => [sample, (isGauge ? ruleOf(sample) : sum)(each)]),
  )
}

function ruleOf(sample: string): Combine {
  const [, combine = sum] = GAUGES.find(([pattern]) => pattern.test(sample)) ?? []
  // Where one has measured nothing yet, the others have.
  return values => {
    const known = values.filter(value => !Number.isNaN(value))
    return known.length === 0 ? Number.NaN : combine(known)
  }
}

function parseValue(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY
  return text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text)
}

function renderValue(value: number): string {
  if (Number.isFinite(value)) return `${value}`
  if (Number.isNaN(value)) return 'NaN'
  return value > 0 ? '+Inf' : '-Inf'
}

import { type Exposition, isCumulative, type Sample } from './exposition.ts'

/** What Prometheus got from one target at one time; `undefined` where it did not answer. */
export type Scrape = Exposition | undefined

/** All targets at one time, by the name of the instance. */
export type Moment = Readonly<Record<string, Scrape>>

/** A real change from one moment to the next, taken to go on for so many minutes. */
export type Stretch = { until: Moment; minutes: number }

export type InputSeries = { series: string; values: string }

const JOB = 'mcp-auth-gateway'

/**
 * The series that Prometheus would hold, had what happened between the moments gone on for the minutes of each stretch, scraped once a minute: counters grow in each minute by what they
 * really grew by, gauges keep the value that they really had, and a target that did not answer has no samples.
 */
export function stretch(first: Moment, stretches: readonly Stretch[]): InputSeries[] {
  const moments = [first, ...stretches.map(({ until }) => until)]
  const minutes = [1, ...stretches.map(stretched => stretched.minutes)]
  const instances = new Set(moments.flatMap(moment => Object.keys(moment)))
  return [...instances].flatMap(instance => {
    const scrapes = moments.map(moment => moment[instance])
    const known = new Map(scrapes.flatMap(scrape => scrape?.samples ?? []).map(withKey))
    const series = [...known].map(([key, { name }]) => ({
      series: nameSeries(key, instance),
      values: renderValues(
        scrapes.map(scrape => scrape && findValue(scrape, key)),
        minutes,
        scrapes.some(scrape => scrape && isCumulative(scrape, name)),
      ),
    }))
    const up = scrapes.map(scrape => (scrape ? 1 : 0))
    return [
      ...series,
      { series: nameSeries('up{', instance), values: renderValues(up, minutes, false) },
    ]
  })
}

function withKey(sample: Sample): [string, Sample] {
  return [`${sample.name}{${sample.labels}`, sample]
}

const indexes = new WeakMap<Exposition, Map<string, Sample>>()

function findValue(scrape: Exposition, key: string): number | undefined {
  const index = indexes.get(scrape) ?? new Map(scrape.samples.map(withKey))
  indexes.set(scrape, index)
  return index.get(key)?.value
}

/** @param key its name and labels, open at the end */
function nameSeries(key: string, instance: string): string {
  return `${key}${key.endsWith('{') ? '' : ','}job="${JOB}",instance="${instance}"}`
}

/** In promtool's notation: `start+step x times`, `_` where there is nothing. */
function renderValues(
  values: readonly (number | undefined)[],
  minutes: readonly number[],
  isGrowing: boolean,
): string {
  let total = 0
  let last: number | undefined
  return values
    .map((value, index) => {
      const times = (minutes[index] ?? 1) - 1
      if (value === undefined) return `_x${times + 1}`
      const before = last
      last = value
      if (!isGrowing || index === 0) {
        total = value
        return `${render(value)}+0x${times}`
      }
      // A process that has started anew counts from zero.
      const isSameProcess = before !== undefined && value >= before
      const step = isSameProcess ? value - before : value
      const start = isSameProcess ? total + step : step
      total = start + step * times
      return `${render(start)}+${render(step)}x${times}`
    })
    .join(' ')
}

/** Without an exponent, which the notation does not know in a step. */
function render(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  return value.toFixed(9).replace(/\.?0+$/, '')
}

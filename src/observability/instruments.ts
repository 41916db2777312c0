/**
 * Counters and histograms for the hot path. Labels are resolved to a cell once; after that, counting is one addition, with no look-up by label. They are written in the text format of
 * Prometheus when somebody asks.
 */

/** A number that only grows. */
export type Cell = { value: number }

/** All cells of one name. */
export type CounterFamily = {
  /** The same cell for the same label values, in the order of the label names. */
  cell(...labelValues: string[]): Cell
  render(): string
}

export type HistogramFamily = {
  /** Takes seconds. The same cells for the same label values. */
  observer(...labelValues: string[]): (seconds: number) => void
  render(): string
}

export type Description = { name: string; help: string; labelNames: readonly string[] }

export function createCounterFamily(description: Description): CounterFamily {
  const cells = new Map<string, Cell>()
  return {
    cell(...labelValues) {
      const labels = renderLabels(description.labelNames, labelValues)
      const cell = cells.get(labels) ?? { value: 0 }
      cells.set(labels, cell)
      return cell
    },
    render() {
      const samples = [...cells].map(
        ([labels, { value }]) => `${description.name}{${labels}} ${value}\n`,
      )
      return renderHead(description, 'counter') + samples.join('')
    },
  }
}

type Histogram = { counts: Float64Array; sum: number }

/** @param bounds upper ends of the buckets in seconds, ascending; a last one without an end is added */
export function createHistogramFamily(
  description: Description,
  bounds: readonly number[],
): HistogramFamily {
  const histograms = new Map<string, Histogram>()
  const find = (labels: string): Histogram => {
    const found = histograms.get(labels)
    if (found) return found
    const created = { counts: new Float64Array(bounds.length + 1), sum: 0 }
    histograms.set(labels, created)
    return created
  }
  const indexOf = (seconds: number): number => {
    for (let index = 0; index < bounds.length; index += 1) {
      if (seconds <= (bounds[index] ?? 0)) return index
    }
    return bounds.length
  }
  return {
    observer(...labelValues) {
      const histogram = find(renderLabels(description.labelNames, labelValues))
      return seconds => {
        const index = indexOf(seconds)
        histogram.counts[index] = (histogram.counts[index] ?? 0) + 1
        histogram.sum += seconds
      }
    },
    render() {
      const samples = [...histograms].map(([labels, histogram]) =>
        renderHistogram(description.name, labels, histogram, bounds),
      )
      return renderHead(description, 'histogram') + samples.join('')
    },
  }
}

function renderHistogram(
  name: string,
  labels: string,
  { counts, sum }: Histogram,
  bounds: readonly number[],
): string {
  const prefix = labels === '' ? '' : `${labels},`
  let total = 0
  const lines = [...counts].map((count, index) => {
    total += count
    return `${name}_bucket{${prefix}le="${bounds[index] ?? '+Inf'}"} ${total}\n`
  })
  return `${lines.join('')}${name}_sum{${labels}} ${sum}\n${name}_count{${labels}} ${total}\n`
}

function renderHead({ name, help }: Description, type: 'counter' | 'histogram'): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
}

/** @throws RangeError where there is not one value for each name: a mistake of ours that would make two series one. */
function renderLabels(names: readonly string[], values: readonly string[]): string {
  if (names.length !== values.length) throw new RangeError(`expected labels ${names.join(', ')}`)
  return names.map((name, index) => `${name}="${escapeLabel(values[index] ?? '')}"`).join(',')
}

function escapeLabel(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')
}

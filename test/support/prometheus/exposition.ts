/** One series of a scrape, and its value then. `labels` as in the text: `backend="crm",method="ping"`. */
export type Sample = { name: string; labels: string; value: number }

/** What `/metrics` answered. */
export type Exposition = {
  samples: readonly Sample[]
  /** By the name of the family: `counter`, `gauge`, `histogram` or `summary`. */
  types: ReadonlyMap<string, string>
}

const TYPE = /^# TYPE (\S+) (\S+)$/
const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/
const SUFFIX = /_(bucket|sum|count)$/

/** @throws Error at a line that is none of the format */
export function parseExposition(text: string): Exposition {
  const types = new Map<string, string>()
  const samples: Sample[] = []
  for (const line of text.split('\n')) {
    const [, family, type] = TYPE.exec(line) ?? []
    if (family !== undefined && type !== undefined) types.set(family, type)
    else if (line !== '' && !line.startsWith('#')) samples.push(parseSample(line))
  }
  return { samples, types }
}

function parseSample(line: string): Sample {
  const [, name, labels = '', value = ''] = SAMPLE.exec(line) ?? []
  const number = Number(value.replace('Inf', 'Infinity'))
  if (name === undefined || (Number.isNaN(number) && value !== 'Nan' && value !== 'NaN')) {
    throw new Error(`no line of the exposition format: ${line}`)
  }
  return { name, labels, value: number }
}

/** Whether the values of a series only grow while its process runs. */
export function isCumulative({ types }: Exposition, name: string): boolean {
  const family = name.replace(SUFFIX, '')
  const type = types.get(name) ?? types.get(family)
  return type === 'counter' || type === 'histogram' || (type === 'summary' && family !== name)
}

/** The names that an expression may ask for: those of samples, not of families. */
export function namesOf({ samples }: Exposition): Set<string> {
  return new Set(samples.map(({ name }) => name))
}

/** The names of the labels that a metric has here. */
export function labelNamesOf({ samples }: Exposition, metric: string): Set<string> {
  const found = samples.filter(({ name }) => name === metric)
  return new Set(
    found.flatMap(({ labels }) => [...labels.matchAll(/(\w+)="/g)].map(([, label = '']) => label)),
  )
}

/** The environment, by name. */
type Environment = Readonly<Record<string, string | undefined>>

/** What the environment says of traces. The exporter reads where and how to send by itself. */
export type TraceSettings = {
  sampler: (typeof SAMPLERS)[number]
  /** What share of traces a `traceidratio` sampler takes, from 0 to 1. */
  ratio: number
  batch: {
    scheduledDelayMillis?: number
    exportTimeoutMillis?: number
    maxQueueSize?: number
    maxExportBatchSize?: number
  }
  /** Settings that are not followed, and why. */
  faults: readonly string[]
}

const SAMPLERS = [
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
  'always_on',
  'always_off',
  'traceidratio',
] as const
const ENDPOINTS = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']
const PROTOCOLS = ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL']
const PROTOCOL = 'http/protobuf'
const BATCH = {
  scheduledDelayMillis: 'OTEL_BSP_SCHEDULE_DELAY',
  exportTimeoutMillis: 'OTEL_BSP_EXPORT_TIMEOUT',
  maxQueueSize: 'OTEL_BSP_MAX_QUEUE_SIZE',
  maxExportBatchSize: 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE',
} as const

/**
 * Reads the standard variables.
 *
 * @returns nothing where there are to be no traces
 * @see OpenTelemetry, "Environment Variable Specification"
 */
export function readTraceSettings(env: Environment): TraceSettings | undefined {
  if (env.OTEL_SDK_DISABLED?.toLowerCase() === 'true' || !isWanted(env)) return undefined
  const faults: string[] = []
  const protocol = PROTOCOLS.map(name => env[name]).find(Boolean) ?? PROTOCOL
  if (protocol !== PROTOCOL) faults.push(`the protocol ${protocol}: traces go by ${PROTOCOL}`)
  return {
    sampler: readSampler(env.OTEL_TRACES_SAMPLER, faults),
    ratio: readRatio(env.OTEL_TRACES_SAMPLER_ARG, faults),
    batch: readBatch(env, faults),
    faults,
  }
}

function isWanted(env: Environment): boolean {
  const exporters = env.OTEL_TRACES_EXPORTER?.split(',').map(name => name.trim())
  if (exporters && env.OTEL_TRACES_EXPORTER !== '') return exporters.includes('otlp')
  return ENDPOINTS.some(name => env[name])
}

function readSampler(written: string | undefined, faults: string[]): TraceSettings['sampler'] {
  const sampler = SAMPLERS.find(name => name === written)
  if (written && !sampler) faults.push(`the sampler ${written}: it is not known`)
  return sampler ?? SAMPLERS[0]
}

function readRatio(written: string | undefined, faults: string[]): number {
  if (!written) return 1
  const ratio = Number(written)
  if (ratio >= 0 && ratio <= 1) return ratio
  faults.push(`the argument ${written} of the sampler: it is no number from 0 to 1`)
  return 1
}

function readBatch(env: Environment, faults: string[]): TraceSettings['batch'] {
  const entries = Object.entries(BATCH).flatMap(([key, name]): [string, number][] => {
    const written = env[name]
    if (!written) return []
    if (/^[1-9]\d{0,8}$/.test(written)) return [[key, Number(written)]]
    faults.push(`${name}: ${written} is no positive whole number`)
    return []
  })
  return Object.fromEntries(entries)
}

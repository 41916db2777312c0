import { describe, expect, test } from 'vitest'
import { readTraceSettings } from '../../src/observability/trace-settings.ts'

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }

describe('traces are there only where the standard variables ask for them', () => {
  test.each([
    [false, 'nothing is said', {}],
    [true, 'there is an endpoint', ENDPOINT],
    [true, 'there is one for traces', { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://collector' }],
    [true, 'the exporter is named', { OTEL_TRACES_EXPORTER: 'otlp' }],
    [true, 'it is among others', { OTEL_TRACES_EXPORTER: 'console, otlp' }],
    [
      true,
      'the variable is empty, which is as if it were missing',
      { ...ENDPOINT, OTEL_TRACES_EXPORTER: '' },
    ],
    [false, 'another exporter is named', { ...ENDPOINT, OTEL_TRACES_EXPORTER: 'console' }],
    [false, 'none is wanted', { ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' }],
    [false, 'the SDK is disabled', { ...ENDPOINT, OTEL_SDK_DISABLED: 'TRUE' }],
    [true, 'it is not', { ...ENDPOINT, OTEL_SDK_DISABLED: 'false' }],
    [false, 'other signals are', { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://collector' }],
  ])('%s: %s', (isOn, _why, env) => {
    expect(readTraceSettings(env) !== undefined).toBe(isOn)
  })

  test('every trace is taken whose caller does not say otherwise, unless a sampler is named', () => {
    expect(readTraceSettings(ENDPOINT)).toEqual({
      ...{ sampler: 'parentbased_always_on', ratio: 1, batch: {}, faults: [] },
    })
    const env = {
      ...{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' },
      ...{ OTEL_BSP_SCHEDULE_DELAY: '100', OTEL_BSP_MAX_QUEUE_SIZE: '9' },
    }
    expect(readTraceSettings({ ...ENDPOINT, ...env })).toMatchObject({
      ...{ sampler: 'traceidratio', ratio: 0.25 },
      batch: { scheduledDelayMillis: 100, maxQueueSize: 9 },
    })
  })

  test('what cannot be followed is told, and the default taken', () => {
    const env = {
      ...{ OTEL_TRACES_SAMPLER: 'jaeger_remote', OTEL_TRACES_SAMPLER_ARG: '2' },
      ...{ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_BSP_EXPORT_TIMEOUT: '-1' },
    }
    const settings = readTraceSettings({ ...ENDPOINT, ...env })
    expect(settings).toMatchObject({ sampler: 'parentbased_always_on', ratio: 1, batch: {} })
    expect(settings?.faults.map(fault => fault.split(':')[0])).toEqual([
      'the protocol grpc',
      'the sampler jaeger_remote',
      'the argument 2 of the sampler',
      'OTEL_BSP_EXPORT_TIMEOUT',
    ])
  })
})

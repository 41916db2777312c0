/** Traces by OpenTelemetry. Loaded only where traces are wanted; nothing else imports its packages. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import {
  type Context,
  createTraceState,
  DiagLogLevel,
  diag,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import {
  defaultResource,
  detectResources,
  type Resource,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from '@opentelemetry/resources'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { type Span, TRACEPARENT, type TraceContext, type Tracing } from './trace.ts'
import type { TraceSettings } from './trace-settings.ts'

const NAME = 'mcp-auth-gateway'
const CLOSE_WITHIN_MS = 3000
const MUTE_MS = 60_000
const MAX_TRACESTATE_LENGTH = 512

/** @see OpenTelemetry semantic conventions, "Service" */
function describeProcess(version: string): Resource {
  return resourceFromAttributes({
    'service.name': NAME,
    'service.version': version,
    'service.instance.id': randomUUID(),
  })
}

type HeldSpan = Span & { readonly inner: OtelSpan }

/** @param version of the gateway */
export function createOtelTracing(settings: TraceSettings, version: string): Tracing {
  const provider = new TracerProvider({
    resource: defaultResource()
      .merge(describeProcess(version))
      .merge(
        detectResources({ detectors: [resourceAttributesEnvDetector, serviceNameEnvDetector] }),
      ),
    sampler: createSampler(settings),
    spanProcessors: [
      new BatchSpanProcessor({ exporter: new OTLPTraceExporter(), ...settings.batch }),
    ],
  })
  const tracer = provider.getTracer(NAME, version)
  const running = new AsyncLocalStorage<HeldSpan>()
  const start = (
    kind: SpanKind,
    name: string,
    parent: Context,
    { attributes = {}, startedAt }: NonNullable<Parameters<Tracing['startStep']>[1]> = {},
  ): HeldSpan =>
    hold(
      tracer.startSpan(
        name,
        { kind, attributes, ...(startedAt && { startTime: startedAt }) },
        parent,
      ),
    )

  return {
    startServer: (name, caller, options) =>
      start(SpanKind.SERVER, name, contextOf(caller), options),
    startClient: (name, options, parent) =>
      start(SpanKind.CLIENT, name, within(parent ?? running.getStore()), options),
    startStep: (name, options) =>
      start(SpanKind.INTERNAL, name, within(running.getStore()), options),
    run: (span, act) => (isHeld(span) ? running.run(span, act) : act()),
    now: Date.now,
    logFields() {
      const span = running.getStore()
      return span ? { traceId: span.traceId } : {}
    },
    tellFaults(logger) {
      for (const fault of settings.faults)
        logger.warn({ fault }, 'a setting of traces is not followed')
      hearFaults(reason => logger.warn({ reason }, 'traces are not sent as they should be'))
    },
    close: () => closeInTime(provider),
  }
}

function createSampler({ sampler, ratio }: TraceSettings): Sampler {
  const roots = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratio),
  }
  const isParentBased = sampler.startsWith('parentbased_')
  const rootName = sampler.replace('parentbased_', '')
  const root = rootName in roots ? roots[rootName as keyof typeof roots]() : roots.always_on()
  return isParentBased ? new ParentBasedSampler({ root }) : root
}

function hold(inner: OtelSpan): HeldSpan {
  const { traceId, spanId, traceFlags, traceState } = inner.spanContext()
  const flags = (traceFlags & 0xff).toString(16).padStart(2, '0')
  return {
    inner,
    traceId,
    context: {
      traceparent: `00-${traceId}-${spanId}-${flags}`,
      tracestate: traceState?.serialize(),
    },
    rename: name => void inner.updateName(name),
    set: attributes => void inner.setAttributes(attributes),
    end(error) {
      if (error !== undefined) {
        inner.setAttribute('error.type', error)
        inner.setStatus({ code: SpanStatusCode.ERROR })
      }
      inner.end()
    },
  }
}

function isHeld(span: Span): span is HeldSpan {
  return 'inner' in span
}

function within(parent: Span | undefined): Context {
  return parent && isHeld(parent) ? trace.setSpan(ROOT_CONTEXT, parent.inner) : ROOT_CONTEXT
}

function contextOf(caller: TraceContext | undefined): Context {
  const [, , traceId, spanId, flags] = TRACEPARENT.exec(caller?.traceparent ?? '') ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return ROOT_CONTEXT
  const state = caller?.tracestate
  const isUsable = state !== undefined && state.length <= MAX_TRACESTATE_LENGTH
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16) & 1,
    isRemote: true,
    ...(isUsable && { traceState: createTraceState(state) }),
  })
}

/** Sending fails again and again while the collector is away; once a minute is enough. */
function hearFaults(tell: (reason: string) => void): void {
  let mutedUntil = 0
  const onFault = (message: string): void => {
    if (performance.now() < mutedUntil) return
    mutedUntil = performance.now() + MUTE_MS
    tell(reasonOf(message))
  }
  const ignore = (): void => {}
  diag.setLogger(
    { error: onFault, warn: onFault, info: ignore, debug: ignore, verbose: ignore },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
}

/** What the collector answered, and stacks, are left out. */
function reasonOf(message: string): string {
  try {
    const { name, message: text, code } = JSON.parse(message)
    return [name, text, code]
      .filter(part => typeof part === 'string')
      .join(' ')
      .slice(0, 200)
  } catch {
    return message.slice(0, 200)
  }
}

async function closeInTime(provider: TracerProvider): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, CLOSE_WITHIN_MS)
  await Promise.race([provider.shutdown().catch(() => {}), late])
  clearTimeout(timer)
}

import type { Tracing } from '../observability/trace.ts'
import { readTraceSettings } from '../observability/trace-settings.ts'

/**
 * Traces, where the standard variables ask for them. Without, nothing of OpenTelemetry is loaded. A part of the composition in `main.ts`.
 *
 * @param version of the gateway
 */
export async function openTracing(
  env: Readonly<Record<string, string | undefined>>,
  version: string,
): Promise<Tracing | undefined> {
  const settings = readTraceSettings(env)
  if (!settings) return undefined
  const { createOtelTracing } = await import('../observability/otel.ts')
  return createOtelTracing(settings, version)
}

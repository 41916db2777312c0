/**
 * Request fields that say nothing an answer could depend on: what identifies one request among others, and where it came from. Every other field that reaches a backend is part of
 * what an answer is kept under, so a field that is missing here costs hits and nothing else.
 */
const NEUTRAL = new Set([
  // Kept answers are asked for without a coding.
  'accept-encoding',
  ...['traceparent', 'tracestate', 'b3', 'uber-trace-id', 'sentry-trace'],
  ...['x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid', 'x-b3-sampled', 'x-b3-flags'],
  ...['x-datadog-trace-id', 'x-datadog-parent-id', 'x-datadog-sampling-priority'],
  ...['x-amzn-trace-id', 'x-amz-cf-id', 'x-cloud-trace-context', 'x-azure-ref', 'x-request-start'],
  ...['cf-ray', 'cf-connecting-ip', 'cf-connecting-ipv6', 'true-client-ip', 'fly-request-id'],
  ...['x-client-ip', 'fly-client-ip', 'x-azure-clientip', 'x-azure-socketip'],
  ...['x-envoy-external-address', 'x-original-forwarded-for'],
])

export function isNeutral(lowerName: string): boolean {
  return NEUTRAL.has(lowerName)
}

/**
 * Whether an answer's `Vary` names something that the requests it would be kept for may differ in.
 *
 * @see RFC 9110 section 12.5.5
 */
export function variesBeyondKey(vary: string): boolean {
  const names = vary.split(',').map(name => name.trim().toLowerCase())
  return names.some(
    name =>
      name === '*' ||
      name === 'authorization' ||
      name.startsWith('x-forwarded-') ||
      (name !== 'accept-encoding' && isNeutral(name)),
  )
}

/** An error's text with those of its causes: what went wrong on the network stands in the last. A cause that is data has no text. */
export function reasonOf(error: unknown, depth = 0): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : ''
  const own = `${error.message || error.name}${code}`
  return !(error.cause instanceof Error) || depth > 3
    ? own
    : `${own}: ${reasonOf(error.cause, depth + 1)}`
}

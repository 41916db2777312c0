/** What the doctor has found at one place. */
export type Finding = {
  level: 'ok' | 'warn' | 'fail'
  what: string
  /** What to do about it. */
  fix?: string
}

export function ok(what: string): Finding {
  return { level: 'ok', what }
}

export function warn(what: string, fix: string): Finding {
  return { level: 'warn', what, fix }
}

export function fail(what: string, fix: string): Finding {
  return { level: 'fail', what, fix }
}

/** An error's text with those of its causes: what went wrong on the network stands in the last. A cause that is data has no text. */
export function reasonOf(error: unknown, depth = 0): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : ''
  const own = `${error.message || error.name}${code}`
  return !(error.cause instanceof Error) || depth > 3
    ? own
    : `${own}: ${reasonOf(error.cause, depth + 1)}`
}

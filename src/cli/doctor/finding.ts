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

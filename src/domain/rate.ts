/** So many in each window; a window begins with its first. */
export type Rate = { count: number; windowSeconds: number }

/** As often as somebody may come. */
export type RateLimit = Rate | 'off'

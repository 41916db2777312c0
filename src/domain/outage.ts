/**
 * Something that the gateway depends on (the store, the IdP) cannot answer now. Never a statement about a token: whoever catches it answers 503 with
 * `Retry-After`, and nothing is revoked or forgotten because of it.
 */
export class OutageError extends Error {
  readonly dependency: 'store' | 'upstream'
  readonly retryAfterSeconds: number

  constructor(
    dependency: 'store' | 'upstream',
    message: string,
    options: { cause?: unknown; retryAfterSeconds?: number } = {},
  ) {
    super(message, { cause: options.cause })
    this.name = 'OutageError'
    this.dependency = dependency
    this.retryAfterSeconds = options.retryAfterSeconds ?? 2
  }
}

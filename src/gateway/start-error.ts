/** Why the gateway does not start, in words for people: nobody needs the stack. */
export class StartError extends Error {
  /** 2 where the configuration has to change. */
  readonly exitCode: 1 | 2

  constructor(exitCode: 1 | 2, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StartError'
    this.exitCode = exitCode
  }
}

/** What is wrong with one value, in words that follow its path. Thrown by the parsers of single values; becomes a `Fault`. */
export class Malformed extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'Malformed'
  }
}

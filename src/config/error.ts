/** Where a setting stands in the configuration: keys and list indices, from the root. */
export type Path = readonly (string | number)[]

/** One thing that is wrong with the configuration file. `line` and `column` count from 1. */
export type Fault = {
  /** As people write it: `backends[0].path`; empty for the file as a whole. */
  path: string
  line: number
  column: number
  /** Never quotes the value: it may be a secret that stands in the wrong place. */
  message: string
  /** The nearest key or value that would have been right. */
  suggestion?: string
}

/** All that is wrong with a configuration, in the order of the file. The process does not start. */
export class ConfigError extends Error {
  readonly file: string
  readonly faults: readonly Fault[]

  constructor(file: string, faults: readonly Fault[]) {
    super(faults.map(fault => renderFault(file, fault)).join('\n'))
    this.name = 'ConfigError'
    this.file = file
    this.faults = faults
  }
}

/** One line that editors and terminals can jump to: `file:line:column  path  message`. */
export function renderFault(file: string, fault: Fault): string {
  const suggestion =
    fault.suggestion === undefined ? '' : `; did you mean ${JSON.stringify(fault.suggestion)}?`
  const place = `${file}:${fault.line}:${fault.column}`
  return [place, fault.path, `${fault.message}${suggestion}`].filter(part => part !== '').join('  ')
}

export function renderPath(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text === '' ? part : `${text}.${part}`
  }, '')
}

/** A step as it is written: `FLAGS` are the `--name=value` ones, `rest` is what follows them. */
export type Instruction = {
  name: (typeof INSTRUCTIONS)[number]
  flags: Readonly<Record<string, string>>
  rest: string
  /** Where `rest` is a JSON list: that. */
  list?: readonly string[]
}

export type Stage = {
  name: string
  /** An image, or the name of an earlier stage. */
  from: string
  instructions: readonly Instruction[]
}

/** Exactly what the project's own Dockerfile uses. */
const INSTRUCTIONS = [
  ...(['FROM', 'LABEL', 'ENV', 'WORKDIR', 'COPY', 'RUN', 'USER', 'EXPOSE'] as const),
  ...(['HEALTHCHECK', 'ENTRYPOINT', 'CMD'] as const),
]
const FLAGS: Readonly<Record<string, readonly string[]>> = {
  COPY: ['from'],
  HEALTHCHECK: ['interval', 'timeout', 'start-period'],
}

/**
 * Reads a Dockerfile into its stages.
 *
 * @throws Error at an instruction or a flag that the project's Dockerfile does not use: whoever adds one teaches the executor what it means
 */
export function parseDockerfile(text: string): Stage[] {
  const stages: Stage[] = []
  const lines = text.replaceAll(/^\s*#.*\n/gm, '').replaceAll(/\\\n/g, ' ')
  for (const line of lines.split('\n').filter(content => content.trim() !== '')) {
    const instruction = parseInstruction(line)
    if (instruction.name === 'FROM') {
      stages.push({ ...parseFrom(instruction.rest, stages.length), instructions: [] })
      continue
    }
    const stage = stages.at(-1)
    if (!stage) throw new Error(`before the first FROM: ${line}`)
    stages[stages.length - 1] = { ...stage, instructions: [...stage.instructions, instruction] }
  }
  return stages
}

/** @returns quoted or plain `name=value` pairs */
export function parsePairs(rest: string): Record<string, string> {
  const pairs = [...rest.matchAll(/([\w.-]+)=(?:"([^"]*)"|(\S+))/g)]
  return Object.fromEntries(pairs.map(([, name, quoted, plain]) => [name, quoted ?? plain]))
}

function parseInstruction(line: string): Instruction {
  const [, word = '', options = '', rest = ''] =
    /^\s*(\w+)\s+((?:--[\w-]+=\S+\s+)*)(.*)$/.exec(line) ?? []
  const name = INSTRUCTIONS.find(known => known === word)
  if (!name) throw new Error(`an instruction that is not known here: ${line}`)
  const flags = Object.fromEntries(
    [...options.matchAll(/--([\w-]+)=(\S+)/g)].map(([, flag, value]) => [flag, value]),
  )
  const unknown = Object.keys(flags).filter(flag => !FLAGS[name]?.includes(flag))
  if (unknown.length > 0) throw new Error(`a flag that is not known here: ${line}`)
  const content = name === 'HEALTHCHECK' ? rest.replace(/^CMD\s+/, '') : rest.trim()
  return {
    name,
    flags,
    rest: content,
    ...(content.startsWith('[') && { list: parseList(content) }),
  }
}

function parseFrom(rest: string, index: number): Pick<Stage, 'name' | 'from'> {
  const [, from, name] = /^(\S+)(?:\s+AS\s+(\S+))?$/.exec(rest) ?? []
  if (from === undefined) throw new Error(`a FROM that is not understood: ${rest}`)
  return { from, name: name ?? `${index}` }
}

function parseList(content: string): string[] {
  const list: unknown = JSON.parse(content)
  if (Array.isArray(list) && list.every(item => typeof item === 'string')) return list
  throw new Error(`not a list of strings: ${content}`)
}

import { execFile } from 'node:child_process'
import { chmod, copyFile, cp, mkdir, readdir, readFile } from 'node:fs/promises'
import { basename, join, matchesGlob, posix } from 'node:path'
import { promisify } from 'node:util'
import { type Instruction, parsePairs, type Stage } from './parse.ts'

/** A stage that has been built: a directory instead of a file system of its own, and what an engine would keep beside it. */
export type BuiltImage = {
  /** What stands for `/`. */
  root: string
  workdir: string
  env: Record<string, string>
  labels: Record<string, string>
  user?: { uid: number; gid: number }
  entrypoint: readonly string[]
  command: readonly string[]
  healthcheck: readonly string[]
  /** What RUN ran, in order. */
  ran: string[]
}

type Build = {
  context: string
  /** Patterns of `.dockerignore`, in order; the last that matches decides. */
  ignore: readonly string[]
  folder: string
  built: Map<string, BuiltImage>
}

const run = promisify(execFile)
const BASE = /^node:24-slim$/
/** What npm has fetched on this machine before is not asked for again. */
const FROM_CACHE = { npm_config_prefer_offline: 'true' }

/**
 * Builds a stage, and those that it needs, without an engine: the same commands in the same order, each stage in a clean directory of its own. The base image is stood for
 * by this process's Node.js and the machine's npm, so nothing is tested of the base. A RUN sees the whole machine: one that names an absolute path is refused.
 *
 * @param folder empty; the stages are put there
 */
export async function buildImage(
  stages: readonly Stage[],
  target: string,
  { context, folder }: { context: string; folder: string },
): Promise<BuiltImage> {
  const ignore = (await readFile(join(context, '.dockerignore'), 'utf8'))
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
  const build = { context, ignore, folder, built: new Map<string, BuiltImage>() }
  const needed = findNeeded(stages, target)
  for (const stage of stages.filter(({ name }) => needed.has(name))) {
    build.built.set(stage.name, await buildStage(stage, build))
  }
  return find(build, target)
}

/** As BuildKit does it: only what the target is made of. */
function findNeeded(stages: readonly Stage[], target: string): Set<string> {
  const stage = stages.find(({ name }) => name === target)
  if (!stage) return new Set()
  const sources = [stage.from, ...stage.instructions.flatMap(({ flags }) => flags.from ?? [])]
  return new Set([target, ...sources.flatMap(source => [...findNeeded(stages, source)])])
}

async function buildStage(stage: Stage, build: Build): Promise<BuiltImage> {
  if (!BASE.test(stage.from)) throw new Error(`a base that is not known here: ${stage.from}`)
  const root = join(build.folder, stage.name)
  const bin = join(root, 'usr/local/bin')
  await mkdir(bin, { recursive: true })
  await copyFile(process.execPath, join(bin, 'node'))
  await chmod(join(bin, 'node'), 0o755)
  const image: BuiltImage = {
    ...{ root, workdir: '/', env: { PATH: '/usr/local/bin' }, labels: {} },
    ...{ entrypoint: [], command: [], healthcheck: [], ran: [] },
  }
  for (const instruction of stage.instructions) await follow(instruction, image, build)
  return image
}

async function follow(instruction: Instruction, image: BuiltImage, build: Build): Promise<void> {
  const { name, rest, list } = instruction
  if (name === 'LABEL') Object.assign(image.labels, parsePairs(rest))
  else if (name === 'ENV') Object.assign(image.env, parsePairs(rest))
  else if (name === 'USER') image.user = parseUser(rest)
  else if (name === 'ENTRYPOINT') image.entrypoint = requireList(instruction)
  else if (name === 'CMD') image.command = requireList(instruction)
  else if (name === 'HEALTHCHECK') image.healthcheck = requireList(instruction)
  else if (name === 'COPY') await copy(instruction, image, build)
  else if (name === 'RUN') await runStep(list ?? ['sh', '-c', rest], image)
  else if (name === 'WORKDIR') {
    image.workdir = posix.resolve(image.workdir, rest)
    await mkdir(join(image.root, image.workdir), { recursive: true })
  } else if (name !== 'EXPOSE') throw new Error(`${name} cannot be followed`)
}

async function copy(instruction: Instruction, image: BuiltImage, build: Build): Promise<void> {
  const { flags, rest } = instruction
  const words = rest.split(/\s+/)
  const destination = words.pop() ?? ''
  const isFolder = destination.endsWith('/')
  const target = join(image.root, posix.resolve(image.workdir, destination))
  for (const source of words) {
    const from = flags.from ? find(build, flags.from).root : build.context
    const filter = flags.from ? undefined : (path: string) => isSent(path, build)
    const path = join(from, source)
    // npm's links between packages stay what they are.
    const options = { recursive: true, verbatimSymlinks: true, ...(filter && { filter }) }
    await cp(path, isFolder ? join(target, basename(source)) : target, options)
  }
}

function isSent(path: string, { context, ignore }: Build): boolean {
  const relative = posix.relative(context, path)
  let isIgnored = false
  for (const line of ignore) {
    const pattern = line.replace(/^!/, '')
    const isMatch = matchesGlob(relative, pattern) || matchesGlob(relative, `${pattern}/**`)
    if (isMatch) isIgnored = !line.startsWith('!')
  }
  return !isIgnored
}

async function runStep(command: readonly string[], image: BuiltImage): Promise<void> {
  const line = command.join(' ')
  if (image.user) throw new Error(`RUN after USER cannot be followed here: ${line}`)
  if (/(^|[\s=])\//.test(line)) throw new Error(`reaches outside of the image: RUN ${line}`)
  const [program = '', ...args] = command
  const path = `${join(image.root, 'usr/local/bin')}:${process.env.PATH}`
  const env = { ...image.env, PATH: path, ...ownNetwork(), ...FROM_CACHE }
  await run(program, args, { cwd: join(image.root, image.workdir), env })
  image.ran.push(line)
}

/** How this machine reaches the registry: what an engine has of its host, too. */
function ownNetwork(): Record<string, string | undefined> {
  const own =
    /^(HOME|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|(HTTPS?|NO|ALL)_PROXY|npm_config_registry)$/i
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => own.test(name)))
}

function parseUser(rest: string): { uid: number; gid: number } {
  const [, uid, gid] = /^(\d+):(\d+)$/.exec(rest) ?? []
  if (uid === undefined) throw new Error(`a user that is no number: ${rest}`)
  return { uid: Number(uid), gid: Number(gid) }
}

function requireList({ name, list }: Instruction): readonly string[] {
  if (!list) throw new Error(`${name} needs a shell; write it as a list`)
  return list
}

function find({ built }: Build, name: string): BuiltImage {
  const image = built.get(name)
  if (!image) throw new Error(`no stage ${name}`)
  return image
}

/** Every file of the image but Node.js itself, relative to its working directory. */
export async function listFiles({ root, workdir }: BuiltImage): Promise<string[]> {
  return readdir(join(root, workdir), { recursive: true })
}

import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import * as z from 'zod'

/** A service of a compose file, as far as it matters to somebody who starts it without an engine. */
export type ComposeService = {
  name: string
  /** Every name by which others reach it. */
  names: readonly string[]
  /** What it is made of: an image without its tag, or `build`, or `build:<target>`. */
  kind: string
  command: readonly string[]
  /** The ports on which it listens. */
  exposed: readonly number[]
  /** From a port of this computer to one of its own. */
  published: ReadonlyMap<number, number>
  /** By the path in the container. */
  mounts: ReadonlyMap<string, Mount>
  dependsOn: readonly string[]
  stopGraceMs: number
}

/** A file, or a secret that the starter makes up. */
export type Mount = { file: string } | { secret: string }

const DEFAULT_STOP_GRACE = '10s'

/** Strict: a key that means something here must not go unnoticed. */
const service = z.strictObject({
  image: z.string().optional(),
  build: z.union([z.string(), z.object({ target: z.string().optional() })]).optional(),
  command: z.array(z.string()).default([]),
  expose: z.array(z.coerce.number()).default([]),
  ports: z.array(z.string().regex(/^127\.0\.0\.1:\d+:\d+$/)).default([]),
  volumes: z.array(z.string()).default([]),
  secrets: z.array(z.string()).default([]),
  networks: z.object({ default: z.object({ aliases: z.array(z.string()) }) }).optional(),
  depends_on: z.union([z.array(z.string()), z.record(z.string(), z.unknown())]).default([]),
  stop_grace_period: z
    .string()
    .regex(/^\d+s$/)
    .default(DEFAULT_STOP_GRACE),
  // What only an engine can do.
  healthcheck: z.unknown().optional(),
  init: z.boolean().optional(),
  read_only: z.boolean().optional(),
  cap_drop: z.array(z.string()).optional(),
  security_opt: z.array(z.string()).optional(),
})

type Written = z.infer<typeof service>

/** @throws where it says something that is not understood here */
export function readCompose(file: string): ComposeService[] {
  const text = readFileSync(file, 'utf8')
  const { services } = z
    .object({ services: z.record(z.string(), service) })
    .parse(parse(text, { merge: true }))
  return Object.entries(services).map(([name, written]) => describe(name, written, dirname(file)))
}

function describe(name: string, written: Written, folder: string): ComposeService {
  const { command, expose, networks, depends_on: before } = written
  return {
    ...{ name, command, exposed: expose },
    names: [name, ...(networks?.default.aliases ?? [])],
    kind: kindOf(written),
    published: new Map(
      written.ports.map(port => [Number(port.split(':')[1]), Number(port.split(':')[2])]),
    ),
    mounts: new Map<string, Mount>([
      ...written.volumes.flatMap(volume => mountOf(volume, folder)),
      ...written.secrets.map(
        secret => [`/run/secrets/${secret}`, { secret }] satisfies [string, Mount],
      ),
    ]),
    dependsOn: Array.isArray(before) ? before : Object.keys(before),
    stopGraceMs: Number.parseInt(written.stop_grace_period, 10) * 1000,
  }
}

function kindOf({ image, build }: Written): string {
  if (image !== undefined) return image.split(':')[0] ?? ''
  const target = typeof build === 'object' ? build.target : undefined
  return target === undefined ? 'build' : `build:${target}`
}

/** Files and folders beside the compose file; a named volume is the service's own folder. */
function mountOf(volume: string, folder: string): [string, Mount][] {
  const [source = '', target = ''] = volume.split(':')
  return source.startsWith('.') ? [[target, { file: resolve(folder, source) }]] : []
}

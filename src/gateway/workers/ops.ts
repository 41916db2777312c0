import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { z } from 'zod'
import type { Member } from './member.ts'
import { type OpsAnswer, opsAnswer } from './messages.ts'

/** What the ops listener says of all workers together. */
export type CrewOps = {
  isStoreReachable(): Promise<boolean>
  /** The metrics of those that answer in time, by worker. */
  metrics(): Promise<Map<number, string>>
  /** The admin API: any worker answers for all, but each has its own view of the backends. */
  admin: Hono
}

const DEADLINE_MS = 3000
/** Probes wait no longer than three seconds, and one worker that hangs must not make all of them look gone. */
const READINESS_DEADLINE_MS = 2000
/** Ending all grants takes as long as there are grants. */
const ADMIN_DEADLINE_MS = 600_000
const WORST_FIRST = ['ejected', 'warming', 'serving']
const MAX_BODY_BYTES = 64 * 1024

/** Whatever else an instance has is as the first worker says. */
const backendsAnswer = z.object({
  backends: z.array(
    z.looseObject({
      name: z.string(),
      instances: z.array(
        z.looseObject({
          instance: z.string(),
          state: z.string(),
          inFlight: z.number(),
          streams: z.number(),
        }),
      ),
    }),
  ),
})
type Backends = z.infer<typeof backendsAnswer>['backends']
type Instance = Backends[number]['instances'][number]

/** @param serving the workers that serve now */
export function createCrewOps(serving: () => readonly Member[]): CrewOps {
  /** What each has answered that has answered in time. */
  const askAll = async (path: string, deadlineMs: number): Promise<Map<number, OpsAnswer>> => {
    const answers = await Promise.all(
      serving().map(async member => {
        const request = { method: 'GET', path, headers: [] }
        const answer = await ask(member, request, deadlineMs).catch(() => undefined)
        return answer ? ([[member.id, answer]] as const) : []
      }),
    )
    return new Map(answers.flat())
  }
  return {
    isStoreReachable: async () => {
      const answers = [...(await askAll('/readyz', READINESS_DEADLINE_MS)).values()]
      return answers.length > 0 && answers.every(({ body }) => isReachable(body))
    },
    metrics: async () => {
      const answers = await askAll('/metrics', DEADLINE_MS)
      return new Map([...answers].map(([id, { body }]) => [id, body]))
    },
    admin: createAdmin(serving),
  }
}

const readinessAnswer = z.object({ store: z.enum(['reachable', 'unreachable']) })

function isReachable(body: string): boolean {
  return readinessAnswer.parse(JSON.parse(body)).store === 'reachable'
}

/** They share the store, so each could answer; who asks must be let in by the worker, which knows the token. */
function createAdmin(serving: () => readonly Member[]): Hono {
  const app = new Hono()
  app.use(bodyLimit({ maxSize: MAX_BODY_BYTES }))
  app.get('/backends', async c => {
    const request = await requestOf(c)
    const answers = await Promise.all(
      serving().map(async member => ({
        worker: member.id,
        answer: await ask(member, request, DEADLINE_MS).catch(() => undefined),
      })),
    )
    return mergeBackends(answers)
  })
  app.all('/*', async c => {
    const [member] = serving()
    if (!member) return unavailable()
    const request = await requestOf(c)
    const answer = await ask(member, request, ADMIN_DEADLINE_MS).catch(() => undefined)
    return answer ? render(answer) : unavailable()
  })
  return app
}

function mergeBackends(
  answers: readonly { worker: number; answer: OpsAnswer | undefined }[],
): Response {
  const refusal = answers.find(({ answer }) => answer && answer.status !== 200)?.answer
  if (refusal) return render(refusal)
  const views = answers.flatMap(({ worker, answer }) =>
    answer ? [{ worker, ...backendsAnswer.parse(JSON.parse(answer.body)) }] : [],
  )
  const [first] = views
  if (!first) return unavailable()
  const backends = first.backends.map(backend => ({
    ...backend,
    instances: backend.instances.map(instance =>
      mergeInstance(
        instance,
        views.flatMap(({ worker, backends: seen }) => {
          const found = findInstance(seen, backend.name, instance.instance)
          if (!found) return []
          const { state, inFlight, streams } = found
          return [{ worker, state, inFlight, streams }]
        }),
      ),
    ),
  }))
  return Response.json({ backends })
}

function findInstance(backends: Backends, name: string, instance: string): Instance | undefined {
  const backend = backends.find(one => one.name === name)
  return backend?.instances.find(one => one.instance === instance)
}

type View = Pick<Instance, 'state' | 'inFlight' | 'streams'> & { worker: number }

/** What is wrong with it for one worker is why somebody looks. */
function mergeInstance(instance: Instance, workers: readonly View[]) {
  const states = workers.map(({ state }) => state)
  return {
    ...instance,
    state: WORST_FIRST.find(state => states.includes(state)) ?? instance.state,
    inFlight: workers.reduce((total, { inFlight }) => total + inFlight, 0),
    streams: workers.reduce((total, { streams }) => total + streams, 0),
    workers,
  }
}

type Asked = { method: string; path: string; headers: [string, string][]; body?: string }

async function requestOf({ req }: Context): Promise<Asked> {
  const { pathname, search } = new URL(req.url)
  const hasBody = req.method !== 'GET' && req.method !== 'HEAD'
  return {
    method: req.method,
    path: pathname + search,
    headers: [...req.raw.headers],
    ...(hasBody && { body: await req.text() }),
  }
}

async function ask(member: Member, request: Asked, deadlineMs: number): Promise<OpsAnswer> {
  return opsAnswer.parse(await member.ask({ kind: 'ops', ...request }, deadlineMs))
}

function render({ status, headers, body }: OpsAnswer): Response {
  return new Response(body, { status, headers })
}

function unavailable(): Response {
  return Response.json(
    { error: 'no_worker', error_description: 'no worker answers' },
    { status: 503 },
  )
}

import { createHealthMetrics, type HealthMetrics } from './health-metrics.ts'
import {
  type Cell,
  type CounterFamily,
  createCounterFamily,
  createHistogramFamily,
} from './instruments.ts'

/** What is counted of the requests to one backend. */
export type BackendMetrics = {
  /** Milliseconds that a call spent here before it went to the backend, and from then until the head of the answer. */
  answered(gatewayMs: number, backendMs: number): void
  /**
   * A request is over.
   *
   * @param method of the JSON-RPC message where the request names it, otherwise of HTTP
   * @param tool where the request names one
   * @param outcome in camel or snake case, from a fixed list
   */
  ended(method: string, tool: string | undefined, outcome: string): void
} & HealthMetrics

export type RequestMetrics = {
  /** The same for the same name: what was counted before a reload of the configuration goes on. */
  backend(name: string): BackendMetrics
  render(): string
}

/** Whatever is not on the lists is counted as this, since clients write it. */
export const OTHER = '_other'

const METHODS = [
  ...['GET', 'POST', 'DELETE', 'initialize', 'ping', 'server/discover'],
  ...['notifications/initialized', 'notifications/cancelled', 'notifications/progress'],
  ...['tools/list', 'tools/call', 'resources/list', 'resources/read', 'resources/templates/list'],
  ...['resources/subscribe', 'resources/unsubscribe', 'prompts/list', 'prompts/get'],
  ...['completion/complete', 'logging/setLevel', 'subscriptions/listen'],
  ...['tasks/get', 'tasks/list', 'tasks/result', 'tasks/cancel', 'tasks/update'],
]

/** Whether a method is on the list; clients write what is not. */
export function isListedMethod(method: string): boolean {
  return METHODS.includes(method)
}

/** How many names of tools are learned for each backend. */
const TOOLS_AT_MOST = 100
const TOOL_NAME = /^[\w./-]{1,128}$/

const GATEWAY_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5]
const BACKEND_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60]

/** @param prefix of all names */
export function createRequestMetrics(prefix: string): RequestMetrics {
  const requests = createCounterFamily({
    name: `${prefix}requests_total`,
    help: 'Requests to MCP endpoints by backend, method and outcome.',
    labelNames: ['backend', 'method', 'outcome'],
  })
  const tools = createCounterFamily({
    name: `${prefix}tool_calls_total`,
    help: 'Tool calls that name their tool in a header field, by backend, tool and outcome.',
    labelNames: ['backend', 'tool', 'outcome'],
  })
  const own = createHistogramFamily(
    {
      name: `${prefix}gateway_seconds`,
      help: 'Time that the gateway adds: from the admission of a call until it goes to its backend.',
      labelNames: ['backend'],
    },
    GATEWAY_BUCKETS,
  )
  const theirs = createHistogramFamily(
    {
      name: `${prefix}backend_seconds`,
      help: 'Time of the backend: from sending a call until the head of its answer.',
      labelNames: ['backend'],
    },
    BACKEND_BUCKETS,
  )
  const health = createHealthMetrics(prefix)
  const backends = new Map<string, BackendMetrics>()
  const create = (name: string): BackendMetrics => {
    const [ownObserver, theirObserver] = [own.observer(name), theirs.observer(name)]
    const countRequest = createRequestCount(requests, name)
    const countTool = createToolCount(tools, name)
    return {
      ...health.backend(name),
      answered(gatewayMs, backendMs) {
        ownObserver(gatewayMs / 1000)
        theirObserver(backendMs / 1000)
      },
      ended(method, tool, outcome) {
        countRequest(method, outcome)
        if (tool !== undefined) countTool(tool, outcome)
      },
    }
  }
  return {
    backend(name) {
      const backend = backends.get(name) ?? create(name)
      backends.set(name, backend)
      return backend
    },
    render: () => [requests, tools, own, theirs, health].map(family => family.render()).join(''),
  }
}

type Outcomes = Map<string, Cell>

function createRequestCount(requests: CounterFamily, backend: string) {
  const methods = new Map<string, Outcomes>(METHODS.map(method => [method, new Map()]))
  const others: Outcomes = new Map()
  return (method: string, outcome: string): void => {
    const listed = methods.get(method)
    const outcomes = listed ?? others
    const cell =
      outcomes.get(outcome) ??
      remember(outcomes, outcome, requests.cell(backend, listed ? method : OTHER, snake(outcome)))
    cell.value += 1
  }
}

/** A name is learned from a call that its backend has answered well; strangers' inventions are `_other`. */
function createToolCount(tools: CounterFamily, backend: string) {
  const learned = new Map<string, Outcomes>()
  const others: Outcomes = new Map()
  const learn = (tool: string, outcome: string): Outcomes | undefined => {
    const mayLearn = outcome === 'ok' && learned.size < TOOLS_AT_MOST && TOOL_NAME.test(tool)
    return mayLearn ? remember(learned, tool, new Map()) : undefined
  }
  return (tool: string, outcome: string): void => {
    const known = learned.get(tool) ?? learn(tool, outcome)
    const outcomes = known ?? others
    const cell =
      outcomes.get(outcome) ??
      remember(outcomes, outcome, tools.cell(backend, known ? tool : OTHER, snake(outcome)))
    cell.value += 1
  }
}

function remember<T>(map: Map<string, T>, key: string, value: T): T {
  map.set(key, value)
  return value
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}

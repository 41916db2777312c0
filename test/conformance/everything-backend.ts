import { randomBytes, randomUUID } from 'node:crypto'
import {
  acceptedContent,
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  createMcpHandler,
  createRequestStateCodec,
  fromJsonSchema,
  InMemoryServerEventBus,
  type InputRequests,
  type InputRequiredResult,
  inputRequired,
  McpServer,
  ResourceTemplate,
  type ServerContext,
} from '@modelcontextprotocol/server'
import * as z from 'zod'
import { text } from '../support/backend-tools.ts'
import { type RecordingBackend, startRecordingBackend } from '../support/recording-backend.ts'

/** Every keyword of JSON Schema 2020-12 that the suite looks for. */
const RICH_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
} as const

/** What instances of one backend share, as real ones do through a database. */
type Shared = { bus: InMemoryServerEventBus; stateKey: Uint8Array }
type Codec = ReturnType<typeof createRequestStateCodec<State>>
type State = { round: number; nonce: string }

const NOTHING = z.object({})
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA='

/**
 * Starts instances of a stateless backend that offers what the conformance suite asks for, to clients of both eras on one path. What the suite wants is laid down in the scenarios'
 * own descriptions (`conformance list`); what needs a session cannot be had here.
 */
export function startEverythingBackend(instances: number): Promise<RecordingBackend[]> {
  const shared = { bus: new InMemoryServerEventBus(), stateKey: randomBytes(32) }
  const numbers = Array.from({ length: instances }, (_, index) => index + 1)
  return Promise.all(numbers.map(number => startInstance(`everything-${number}`, shared)))
}

function startInstance(instance: string, { bus, stateKey }: Shared): Promise<RecordingBackend> {
  const states = createRequestStateCodec<State>({ key: stateKey })
  return startRecordingBackend({ instance }, exchange => {
    const handler = createMcpHandler(() => createServer(states, handler.notify), { bus })
    exchange.gone.addEventListener('abort', () => void handler.close())
    return handler.fetch(exchange.request)
  })
}

type Notify = ReturnType<typeof createMcpHandler>['notify']

function createServer(states: Codec, notify: Notify): McpServer {
  const server = new McpServer(
    { name: 'everything', version: '1.0.0' },
    {
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { subscribe: true },
        logging: {},
        completions: {},
      },
      requestState: { verify: states.verify },
    },
  )
  offerContent(server)
  offerNotifications(server, notify)
  offerQuestions(server)
  offerStatefulQuestions(server, states)
  offerResources(server)
  offerPrompts(server)
  server.server.setRequestHandler('logging/setLevel', () => ({}))
  server.server.setRequestHandler('resources/subscribe', () => ({}))
  server.server.setRequestHandler('resources/unsubscribe', () => ({}))
  server.server.setRequestHandler('completion/complete', () => ({
    completion: { values: ['one'], total: 1, hasMore: false },
  }))
  return server
}

type Handler = (input: object, context: ServerContext) => ToolResult | Promise<ToolResult>
type ToolResult = CallToolResult | InputRequiredResult

function offer(server: McpServer, name: string, handler: Handler): void {
  server.registerTool(name, { description: `Offers ${name}.`, inputSchema: NOTHING }, handler)
}

const IMAGE = { type: 'image' as const, data: PNG, mimeType: 'image/png' }
const EMBEDDED = {
  type: 'resource' as const,
  resource: { uri: 'test://embedded', mimeType: 'text/plain', text: 'An embedded resource.' },
}

function offerContent(server: McpServer): void {
  const words = { type: 'text' as const, text: 'This is a simple text response for testing.' }
  const audio = { type: 'audio' as const, data: WAV, mimeType: 'audio/wav' }
  const contents = {
    test_simple_text: [words],
    test_streaming_elicitation: [words],
    test_image_content: [IMAGE],
    test_audio_content: [audio],
    test_embedded_resource: [EMBEDDED],
    test_multiple_content_types: [words, IMAGE, EMBEDDED],
  }
  for (const [name, content] of Object.entries(contents)) {
    offer(server, name, () => ({ content }))
  }
  offer(server, 'test_error_handling', () => {
    throw new Error('This tool always fails.')
  })
  server.registerTool(
    'json_schema_2020_12_tool',
    { description: 'Has a rich schema.', inputSchema: fromJsonSchema(RICH_SCHEMA) },
    () => text('fine'),
  )
  const region = { type: 'string', 'x-mcp-header': 'Region' }
  server.registerTool(
    'test_x_mcp_header',
    {
      description: 'Has an argument that is sent in a field too.',
      inputSchema: fromJsonSchema<{ region?: string }>({ type: 'object', properties: { region } }),
    },
    ({ region: given }) => text(`region: ${given}`),
  )
}

function offerNotifications(server: McpServer, notify: Notify): void {
  offer(server, 'test_tool_with_logging', async (_, { mcpReq }) => {
    for (const data of ['started', 'working', 'done']) {
      await mcpReq.notify({ method: 'notifications/message', params: { level: 'info', data } })
    }
    return text('logged three times')
  })
  offer(server, 'test_logging_tool', async (_, { mcpReq }) => {
    await mcpReq.log('info', 'only for those who set a level')
    return text('logged')
  })
  offer(server, 'test_tool_with_progress', async (_, context) => {
    const { mcpReq } = context
    const progressToken = mcpReq._meta?.progressToken
    for (const progress of progressToken === undefined ? [] : [0, 50, 100]) {
      const params = { progressToken: progressToken!, progress, total: 100 }
      await mcpReq.notify({ method: 'notifications/progress', params })
    }
    return text(String(progressToken))
  })
  offer(server, 'test_trigger_tool_change', () => {
    notify.toolsChanged()
    return text('published')
  })
  offer(server, 'test_trigger_prompt_change', () => {
    notify.promptsChanged()
    return text('published')
  })
}

const question = (property: string) =>
  inputRequired.elicit({
    message: `What is the ${property}?`,
    requestedSchema: {
      type: 'object',
      properties: { [property]: { type: 'string' } },
      required: [property],
    },
  })
const confirmation = inputRequired.elicit({
  message: 'Is that so?',
  requestedSchema: { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'] },
})
const sampling = (prompt: string) =>
  inputRequired.createMessage({
    messages: [{ role: 'user', content: { type: 'text', text: prompt } }],
    maxTokens: 50,
  })

function quote(response: unknown): string | undefined {
  return response === undefined ? undefined : JSON.stringify(response)
}

/** Tools that ask first and answer when they are called again with what they asked for. */
function offerQuestions(server: McpServer): void {
  const asking = (
    name: string,
    inputRequests: InputRequests,
    answer: (responses: ServerContext['mcpReq']['inputResponses']) => string | undefined,
  ) =>
    offer(server, name, (_, { mcpReq }) => {
      const words = answer(mcpReq.inputResponses)
      return words === undefined ? inputRequired({ inputRequests }) : text(words)
    })
  asking('test_input_required_result_elicitation', { user_name: question('name') }, responses => {
    const name = acceptedContent<{ name: unknown }>(responses, 'user_name')?.name
    return typeof name === 'string' ? `Hello, ${name}` : undefined
  })
  asking(
    'test_input_required_result_sampling',
    { capital_question: sampling('What is the capital of France?') },
    responses => quote(responses?.capital_question),
  )
  asking(
    'test_input_required_result_list_roots',
    { client_roots: inputRequired.listRoots() },
    responses => quote(responses?.client_roots),
  )
  asking('test_missing_capability', { answer: sampling('ping') }, responses =>
    responses?.answer ? 'answered' : undefined,
  )
  offer(server, 'test_input_required_result_capabilities', (_, { mcpReq }) => {
    if (mcpReq.inputResponses) return text('answered')
    const { [CLIENT_CAPABILITIES_META_KEY]: declared } = (mcpReq.envelope ?? {}) as {
      [CLIENT_CAPABILITIES_META_KEY]?: Record<string, unknown>
    }
    const inputRequests: InputRequests = {
      ...(declared?.elicitation !== undefined && { user_name: question('name') }),
      ...(declared?.sampling !== undefined && { greeting: sampling('Greet somebody') }),
      ...(declared?.roots !== undefined && { client_roots: inputRequired.listRoots() }),
    }
    return Object.keys(inputRequests).length === 0
      ? text('you can be asked nothing')
      : inputRequired({ inputRequests })
  })
}

/** Tools whose questions come with a sealed state, which the next call brings back to whichever instance. */
function offerStatefulQuestions(server: McpServer, states: Codec): void {
  const ask = async (inputRequests: InputRequests, round = 1) =>
    inputRequired({
      inputRequests,
      requestState: await states.mint({ round, nonce: randomUUID() }),
    })
  for (const name of ['request_state', 'tampered_state']) {
    offer(server, `test_input_required_result_${name}`, (_, { mcpReq }) =>
      mcpReq.requestState<State>() && acceptedContent(mcpReq.inputResponses, 'confirm')
        ? text('state-ok')
        : ask({ confirm: confirmation }),
    )
  }
  offer(server, 'test_input_required_result_multiple_inputs', (_, { mcpReq }) => {
    const { user_name, greeting, client_roots } = mcpReq.inputResponses ?? {}
    if (user_name && greeting && client_roots) return text('all answered')
    return ask({
      user_name: question('name'),
      greeting: sampling('Greet somebody'),
      client_roots: inputRequired.listRoots(),
    })
  })
  offer(server, 'test_input_required_result_multi_round', (_, { mcpReq }) => {
    const { round = 0 } = mcpReq.requestState<State>() ?? {}
    if (round === 2) return text('asked twice')
    return round === 1 ? ask({ step2: question('color') }, 2) : ask({ step1: question('name') })
  })
}

function offerResources(server: McpServer): void {
  const offer = (uri: string, mimeType: string, content: { text: string } | { blob: string }) =>
    server.registerResource(uri.slice(7), uri, { mimeType }, () => ({
      contents: [{ uri, mimeType, ...content }],
    }))
  offer('test://static-text', 'text/plain', { text: 'A static text resource.' })
  offer('test://static-binary', 'image/png', { blob: PNG })
  offer('test://watched-resource', 'text/plain', { text: 'A watched resource.' })
  const template = new ResourceTemplate('test://template/{id}/data', { list: undefined })
  const mimeType = 'application/json'
  server.registerResource('template', template, { mimeType }, (uri, { id }) => ({
    contents: [{ uri: uri.href, mimeType, text: JSON.stringify({ id, data: `of ${id}` }) }],
  }))
}

function offerPrompts(server: McpServer): void {
  const user = <Content>(content: Content) => ({ role: 'user' as const, content })
  const words = (value: string) => user({ type: 'text' as const, text: value })
  server.registerPrompt('test_simple_prompt', { description: 'A prompt.' }, () => ({
    messages: [words('A prompt.')],
  }))
  server.registerPrompt(
    'test_prompt_with_arguments',
    {
      description: 'With two arguments.',
      argsSchema: z.object({ arg1: z.string(), arg2: z.string() }),
    },
    ({ arg1, arg2 }) => ({ messages: [words(`arg1='${arg1}', arg2='${arg2}'`)] }),
  )
  server.registerPrompt(
    'test_prompt_with_embedded_resource',
    { description: 'With a resource.', argsSchema: z.object({ resourceUri: z.string() }) },
    ({ resourceUri }) => ({
      messages: [
        user({ ...EMBEDDED, resource: { ...EMBEDDED.resource, uri: resourceUri } }),
        words('Look at this.'),
      ],
    }),
  )
  server.registerPrompt('test_prompt_with_image', { description: 'With an image.' }, () => ({
    messages: [user(IMAGE), words('Look at this.')],
  }))
  server.registerPrompt(
    'test_input_required_result_prompt',
    { description: 'Asks first.', argsSchema: NOTHING },
    (_, { mcpReq }) => {
      const given = acceptedContent<{ context: string }>(mcpReq.inputResponses, 'user_context')
      return given === undefined
        ? inputRequired({ inputRequests: { user_context: question('context') } })
        : { messages: [words(`In the context of ${given.context}`)] }
    },
  )
}

import { setTimeout as wait } from 'node:timers/promises'
import { McpServer } from '@modelcontextprotocol/server'
import { decodeJwt } from 'jose'
import * as z from 'zod'

const IDENTITY = z.object({
  subject: z.string().optional(),
  name: z.string().optional(),
  email: z.string().optional(),
  groups: z.array(z.string()).optional(),
})

const CLAIMS = IDENTITY.omit({ subject: true }).extend({ sub: z.string().optional() })

/**
 * A server for one request, with the sample tools.
 *
 * @param instance the name that `whoami` answers
 * @param authorization the request's header
 */
export function createSampleServer(instance: string, authorization: string | null): McpServer {
  const server = new McpServer({ name: 'sample-backend', version: '1.0.0' })
  registerWhoami(server, instance, authorization)
  registerSlowCount(server)
  registerAdd(server)
  return server
}

function registerWhoami(server: McpServer, instance: string, authorization: string | null): void {
  server.registerTool(
    'whoami',
    {
      description:
        'Says who is calling, by the token that the gateway put in, and which instance answered',
      inputSchema: z.object({}),
      outputSchema: IDENTITY.extend({ instance: z.string() }),
    },
    () => {
      const answer = { instance, ...readIdentity(authorization) }
      return { content: [text(JSON.stringify(answer))], structuredContent: answer }
    },
  )
}

function registerSlowCount(server: McpServer): void {
  server.registerTool(
    'slow_count',
    {
      description: 'Counts, and reports its progress at each step',
      inputSchema: z.object({
        to: z.number().int().min(1).max(60).default(5),
        delayMs: z.number().int().min(0).max(10_000).default(1000),
      }),
    },
    async ({ to, delayMs }, { mcpReq }) => {
      const progressToken = mcpReq._meta?.progressToken
      for (let progress = 1; progress <= to; progress++) {
        await wait(delayMs, undefined, { signal: mcpReq.signal })
        if (progressToken === undefined) continue
        const params = { progressToken, progress, total: to, message: `${progress} of ${to}` }
        await mcpReq.notify({ method: 'notifications/progress', params })
      }
      return { content: [text(`counted to ${to}`)] }
    },
  )
}

function registerAdd(server: McpServer): void {
  server.registerTool(
    'add',
    { description: 'Adds two numbers', inputSchema: z.object({ a: z.number(), b: z.number() }) },
    ({ a, b }) => ({ content: [text(String(a + b))] }),
  )
}

/** What a bearer JWT says; not verified, since only the gateway can reach this backend. Nothing where there is none or where it is opaque. */
function readIdentity(authorization: string | null): z.infer<typeof IDENTITY> {
  const token = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1]
  if (token === undefined) return {}
  const { data } = CLAIMS.safeParse(decodePayload(token))
  if (data === undefined) return {}
  const { sub, ...claims } = data
  return { ...claims, ...(sub !== undefined && { subject: sub }) }
}

function decodePayload(token: string): unknown {
  try {
    return decodeJwt(token)
  } catch {
    return undefined
  }
}

function text(value: string) {
  return { type: 'text' as const, text: value }
}

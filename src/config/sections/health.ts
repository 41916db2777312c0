/** How the gateway deals with the instances of a backend: how long it waits, how it finds out that one is gone, how much it asks of one. */
import { z } from 'zod'
import { integer, milliseconds } from '../fields.ts'
import { renamed } from '../shapes.ts'

const LONGEST = '7d'

const answer = {
  headers: milliseconds('100ms', '1h'),
  idle: milliseconds('1s', LONGEST),
  total: milliseconds('1s', LONGEST),
}
const IN_MILLISECONDS = { headers: 'headersMs', idle: 'idleMs', total: 'totalMs' } as const

const method = renamed(
  z.strictObject({
    headers: answer.headers.exactOptional().describe('In place of `timeouts.headers`.'),
    idle: answer.idle.exactOptional().describe('In place of `timeouts.idle`.'),
    total: answer.total.exactOptional().describe('In place of `timeouts.total`.'),
  }),
  IN_MILLISECONDS,
)

export const timeouts = renamed(
  z.strictObject({
    connect: milliseconds('10ms', '60s').prefault('2s').describe('Deadline of a connection.'),
    headers: answer.headers.prefault('60s').describe('Deadline of the head of an answer.'),
    idle: answer.idle
      .prefault('10m')
      .describe(
        'How long an answer that has begun may be silent. Heartbeats of the backend count.',
      ),
    total: answer.total.exactOptional().describe('Deadline of the whole answer. Default: none.'),
    maxAge: milliseconds('10s', LONGEST)
      .prefault('1h')
      .describe(
        'How old a stream that only listens may get, which the other limits do not end. It ends between two events, up to a fifth earlier, and its client opens it again.',
      ),
    methods: z
      .record(z.string().min(1).meta({ title: 'method' }), method)
      .prefault({})
      .describe(
        'What differs for a JSON-RPC method: `headers`, `idle`, `total`. The methods of all requests are read then.',
      ),
  }),
  { ...IN_MILLISECONDS, connect: 'connectMs', maxAge: 'maxAgeMs' },
)
  .prefault({})
  .describe('How long an instance may take; beyond it, its call is answered with 504.')

export const probe = renamed(
  z.strictObject({
    kind: z
      .enum(['tcp', 'mcp', 'none'])
      .prefault('tcp')
      .describe(
        '`tcp` makes a connection. `mcp` asks `server/discover`, without a credential: any answer but 5xx will do. `none` does neither.',
      ),
    interval: milliseconds('1s', '1h').prefault('10s').describe('Time between two of them.'),
  }),
  { interval: 'intervalMs' },
)
  .prefault({})
  .describe('How instances are asked whether they live that no request has shown to.')

export const connections = z
  .strictObject({
    calls: integer(1, 1_000_000)
      .exactOptional()
      .describe('Calls at once. Default: `limits.inFlight`.'),
    streams: integer(1, 1_000_000)
      .exactOptional()
      .describe('Streams that only listen, at once. Default: `limits.streams`.'),
  })
  .prefault({})
  .describe('What one instance is given; beyond it another gets the call, or nobody.')

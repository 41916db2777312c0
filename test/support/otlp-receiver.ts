import { createServer } from 'node:http'
import { gunzipSync } from 'node:zlib'
import { listen } from '../../src/dev/listen.ts'
import { bytesOf, type Field, numberOf, readFields } from './protobuf.ts'

export type ReceivedSpan = {
  name: string
  kind: 'internal' | 'server' | 'client' | 'other'
  traceId: string
  spanId: string
  /** Empty for a root. */
  parentSpanId: string
  traceState: string
  attributes: Record<string, string | number>
  isError: boolean
  /** Milliseconds. */
  duration: number
  /** Of what sent it. */
  resource: Record<string, string | number>
}

/** A collector of traces: OTLP over HTTP, protobuf. */
export type OtlpReceiver = {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  origin: string
  spans: ReceivedSpan[]
  /** Everything that came, as text: whoever searches it finds what anybody could read in it. */
  text(): string
  close(): Promise<void>
}

const KINDS: Readonly<Record<number, ReceivedSpan['kind']>> = {
  1: 'internal',
  2: 'server',
  3: 'client',
}
const STATUS_ERROR = 2

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = []
  const texts: string[] = []
  const server = createServer((req, res) => {
    const chunks: Buffer[] = []
    req.on('data', chunk => chunks.push(chunk))
    req.on('end', () => {
      const sent = Buffer.concat(chunks)
      const body = req.headers['content-encoding'] === 'gzip' ? gunzipSync(sent) : sent
      texts.push(JSON.stringify(req.rawHeaders), body.toString('latin1'))
      const isRight =
        req.url === '/v1/traces' && req.headers['content-type'] === 'application/x-protobuf'
      if (isRight) spans.push(...readRequest(body))
      res.writeHead(isRight ? 200 : 404, { 'content-type': 'application/x-protobuf' }).end()
    })
  })
  const { origin, close } = await listen(server, 0, '127.0.0.1')
  return {
    ...{ origin, spans },
    text: () => texts.join('\n'),
    close: async () => {
      server.closeAllConnections()
      await close()
    },
  }
}

/** @see opentelemetry-proto, `trace.proto`: the numbers of its fields */
function readRequest(body: Buffer): ReceivedSpan[] {
  return bytesOf(readFields(body), 1).flatMap(resourceSpans => {
    const inResource = readFields(resourceSpans)
    const [resource] = bytesOf(inResource, 1)
    const attributes = resource ? attributesOf(readFields(resource), 1) : {}
    return bytesOf(inResource, 2)
      .flatMap(scopeSpans => bytesOf(readFields(scopeSpans), 2))
      .map(span => readSpan(readFields(span), attributes))
  })
}

function readSpan(fields: readonly Field[], resource: ReceivedSpan['resource']): ReceivedSpan {
  const hex = (number: number) => bytesOf(fields, number)[0]?.toString('hex') ?? ''
  const text = (number: number) => bytesOf(fields, number)[0]?.toString('utf8') ?? ''
  const [status] = bytesOf(fields, 15)
  const nanoseconds = (numberOf(fields, 8) ?? 0) - (numberOf(fields, 7) ?? 0)
  return {
    name: text(5),
    kind: KINDS[numberOf(fields, 6) ?? 0] ?? 'other',
    traceId: hex(1),
    spanId: hex(2),
    parentSpanId: hex(4),
    traceState: text(3),
    attributes: attributesOf(fields, 9),
    isError: status !== undefined && numberOf(readFields(status), 3) === STATUS_ERROR,
    duration: nanoseconds / 1e6,
    resource,
  }
}

function attributesOf(fields: readonly Field[], number: number): Record<string, string | number> {
  const entries = bytesOf(fields, number).map(keyValue => {
    const inPair = readFields(keyValue)
    const [key, value] = [bytesOf(inPair, 1)[0], bytesOf(inPair, 2)[0]]
    const inValue = value ? readFields(value) : []
    const text = bytesOf(inValue, 1)[0]?.toString('utf8')
    return [key?.toString('utf8') ?? '', text ?? numberOf(inValue, 3) ?? ''] as const
  })
  return Object.fromEntries(entries)
}

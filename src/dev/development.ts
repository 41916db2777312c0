import { pino } from 'pino'
import { createSecret } from '../domain/secret.ts'
import { createLogger, type Logger, type LogLevel } from '../observability/log.ts'
import { renderBanner } from './banner.ts'
import { startDevIdp } from './idp.ts'
import { type SampleBackend, startSampleBackend } from './sample-backend.ts'

export type DevelopmentOptions = {
  publicUrl: string
  opsUrl: string
  logLevel: LogLevel
  /** What each line carries besides. */
  logFields?: () => object
  /** Loopback port of the embedded IdP. */
  idpPort: number
  /** Whether to start a sample backend on each loopback instance URL below. */
  sampleBackends: boolean
  backends: readonly { name: string; path: string; instances: readonly string[] }[]
}

/** What runs beside the gateway in development. */
export type Development = {
  /** The embedded IdP, as the gateway's upstream. */
  idp: { issuer: string; clientId: string; clientSecret: string }
  logger: Logger
  /** Says what runs where, and what to type next. */
  announce(): void
  close(): Promise<void>
}

/**
 * Starts the embedded IdP and the sample backends. Everything listens on loopback and is gone with the process.
 *
 * @throws the socket's error where a port cannot be bound
 */
export async function startDevelopment(options: DevelopmentOptions): Promise<Development> {
  const { publicUrl, opsUrl, idpPort, backends } = options
  const logger = await createReadableLogger(options.logLevel, options.logFields)
  const clientId = 'mcp-auth-gateway'
  const clientSecret = createSecret()
  const client = { id: clientId, secret: clientSecret, redirectUris: [`${publicUrl}/callback`] }
  const idp = await startDevIdp({ port: idpPort, client, logger })
  const samples = options.sampleBackends ? await startSamples(backends) : []
  return {
    idp: { issuer: idp.issuer, clientId, clientSecret },
    logger,
    announce: () => {
      const names = backends.map(({ name, path }) => ({ name, url: publicUrl + path }))
      process.stdout.write(
        renderBanner({
          publicUrl,
          opsUrl,
          idpUrl: idp.issuer,
          endpoints: names,
          samples: samples.map(({ url }) => url),
        }),
      )
    },
    close: async () => {
      await Promise.all([...samples.map(sample => sample.close()), idp.close()])
    },
  }
}

function startSamples(backends: DevelopmentOptions['backends']): Promise<SampleBackend[]> {
  const instances = backends.flatMap(({ name, instances }) =>
    instances.map((url, index) => ({ url: new URL(url), instance: `${name}-${index + 1}` })),
  )
  return Promise.all(
    instances.map(({ url, instance }) =>
      startSampleBackend({
        port: Number(url.port),
        host: url.hostname,
        path: url.pathname,
        instance,
      }),
    ),
  )
}

/** In a terminal lines are for eyes; elsewhere they are the JSON lines of production. */
async function createReadableLogger(level: LogLevel, fieldsOf?: () => object): Promise<Logger> {
  if (!process.stdout.isTTY)
    return createLogger(level, pino.destination({ dest: 1, sync: true }), fieldsOf)
  const { default: pretty } = await import('pino-pretty')
  return createLogger(
    level,
    pretty({ sync: true, ignore: 'audit', translateTime: 'HH:MM:ss', singleLine: true }),
    fieldsOf,
  )
}

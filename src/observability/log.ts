import { type DestinationStream, type Logger, pino } from 'pino'
import { countDropped, type LogOutput, type LostLines, openLogOutput } from './log-output.ts'

export type { Logger, LostLines }

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

/** Field names whose values never reach a line, however deep, should anybody log a whole message by mistake. */
const SECRET_FIELDS = [
  'access_token',
  'accessToken',
  'assertion',
  'authorization',
  'client_assertion',
  'client_secret',
  'clientSecret',
  'code',
  'code_verifier',
  'codeVerifier',
  'cookie',
  'id_token',
  'idToken',
  'nonce',
  'password',
  'refresh_token',
  'refreshToken',
  'set-cookie',
  'state',
  'token',
  'upstreamState',
  'upstreamTokens',
]

/**
 * The log: one JSON object a line. Lines are written with the fields that their place names, never with whole requests, responses or errors of libraries;
 * redaction is the second net.
 *
 * @param fieldsOf what each line carries besides, at the time when it is written
 * @param lost counts the lines that do not reach the standard output
 */
export function createLogger(
  level: LogLevel,
  destination?: DestinationStream,
  fieldsOf?: () => object,
  lost: LostLines = { value: 0 },
): Logger {
  return destination
    ? createLoggerTo(destination, level, fieldsOf)
    : createOutputLogger(openLogOutput(lost), level, fieldsOf)
}

/**
 * The log of one of several processes that write to the same output: each line says which.
 *
 * @param fields of every line
 */
export function createSharedLogger(
  level: LogLevel,
  fields: Record<string, number>,
  fieldsOf?: () => object,
  lost: LostLines = { value: 0 },
): Logger {
  // A pipe takes no more at once without another's line in between; see pipe(7), PIPE_BUF.
  return createOutputLogger(openLogOutput(lost, 4096), level, fieldsOf).child(fields)
}

function createOutputLogger(
  output: LogOutput,
  level: LogLevel,
  fieldsOf: (() => object) | undefined,
): Logger {
  const logger = createLoggerTo(output, level, fieldsOf)
  countDropped(output, dropped => {
    logger.warn({ dropped }, 'log lines were dropped: the output took no more')
  })
  return logger
}

function createLoggerTo(
  destination: DestinationStream,
  level: LogLevel,
  fieldsOf: (() => object) | undefined,
): Logger {
  return pino(
    {
      level,
      base: null,
      ...(fieldsOf && { mixin: fieldsOf }),
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      serializers: { err: describeError },
      redact: {
        paths: SECRET_FIELDS.flatMap(field => [at(field), `*${at(field)}`, `*.*${at(field)}`]),
        censor: '[redacted]',
      },
    },
    destination,
  )
}

/** Name, message, code and causes; no other property, since libraries hang requests and responses on their errors. */
function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { message: String(error) }
  const { code } = error as { code?: unknown }
  return {
    name: error.name,
    message: error.message,
    ...(typeof code === 'string' && { errorCode: code }),
    ...(depth === 0 && { stack: error.stack }),
    ...(error.cause !== undefined && depth < 3 && { cause: describeError(error.cause, depth + 1) }),
  }
}

function at(field: string): string {
  return field.includes('-') ? `["${field}"]` : `.${field}`
}

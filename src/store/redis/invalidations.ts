import type { Logger } from '../../observability/log.ts'
import type { Invalidation, Invalidations } from '../port.ts'
import type { RedisConnection } from './connection.ts'

/** Invalidations over one channel of Redis. What was published while nobody could hear is lost, as the port allows. */
export function createRedisInvalidations(
  connection: RedisConnection,
  logger: Logger,
): Invalidations {
  const listeners = new Set<(invalidation: Invalidation) => void>()
  connection.subscription.onMessage(message => {
    const invalidation = parseInvalidation(message)
    if (invalidation) for (const listener of listeners) call(listener, invalidation, logger)
  })
  return {
    async publish(invalidation) {
      await connection.run('publish', 'repeatable', client =>
        client.publish(connection.keys.channel, JSON.stringify(invalidation)),
      )
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}

function call(
  listener: (invalidation: Invalidation) => void,
  invalidation: Invalidation,
  logger: Logger,
): void {
  try {
    listener(invalidation)
  } catch (error) {
    logger.error({ err: error }, 'a listener to invalidations failed')
  }
}

/** @returns `undefined` for anything that is not one of ours: another version of the gateway may say more. */
export function parseInvalidation(message: string): Invalidation | undefined {
  const said = parseObject(message)
  if (!said) return undefined
  const { kind, grantId, change, backend, list } = said
  if (kind === 'lists') {
    const isList = list === 'tools' || list === 'prompts' || list === 'resources'
    return isList && typeof backend === 'string' ? { kind, backend, list } : undefined
  }
  if (kind !== 'grant' || typeof grantId !== 'string') return undefined
  return change === 'replaced' || change === 'revoked' || change === 'dead'
    ? { kind, grantId, change }
    : undefined
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}

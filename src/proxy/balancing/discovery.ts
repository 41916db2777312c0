import type { Logger } from '../../observability/log.ts'
import type { ResolveName } from './names.ts'

/** Keeps the instances behind a name what the name says. */
export type Discovery = {
  /** The first look-up is over, whatever it has found. */
  ready: Promise<void>
  stop(): void
}

export type DiscoveryOptions = {
  name: string
  resolve: ResolveName
  /** What has changed since the last time; never both empty. */
  onChange: (added: readonly string[], removed: readonly string[]) => void
  logger: Logger
}

const RETRY_SECONDS = 5

/** Looks a name up again and again. What cannot be looked up stays as it was: a name server that is down takes no instance away. */
export function discover({ name, resolve, onChange, logger }: DiscoveryOptions): Discovery {
  let known: readonly string[] = []
  let isStopped = false
  let hasFailed = false
  let timer: NodeJS.Timeout | undefined

  const lookUp = async (): Promise<number> => {
    try {
      const { addresses, ttlSeconds } = await resolve(name)
      if (addresses.length === 0) throw new Error('the name has no address')
      hasFailed = false
      update(addresses)
      return ttlSeconds
    } catch (err) {
      // Said once for each outage.
      if (!hasFailed) logger.warn({ err, name, addresses: known }, 'a name could not be resolved')
      hasFailed = true
      return RETRY_SECONDS
    }
  }

  const update = (addresses: readonly string[]): void => {
    const added = addresses.filter(address => !known.includes(address))
    const removed = known.filter(address => !addresses.includes(address))
    known = addresses
    if (isStopped || (added.length === 0 && removed.length === 0)) return
    logger.info({ name, added, removed }, 'the addresses of a name have changed')
    onChange(added, removed)
  }

  const run = async (): Promise<void> => {
    const seconds = await lookUp()
    if (isStopped) return
    timer = setTimeout(run, seconds * 1000).unref()
  }

  return {
    ready: run(),
    stop() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}

import type { Logger } from '../../observability/log.ts'
import type { ConnectorOptions } from '../exchange.ts'
import type { Balancer } from './balancer.ts'
import { discover } from './discovery.ts'
import { createInstance, type Instance } from './instance.ts'
import type { ResolveName } from './names.ts'

export type Instances = {
  /** While a name has not been looked up for the first time. */
  readonly awaited: Promise<void> | undefined
  /** Breaks whatever is under way. */
  close(): Promise<void>
}

const NAMED = 'dns:'

/**
 * Makes the instances of a backend and keeps its balancer informed of them.
 *
 * @param urls each an instance, or with `dns:` before it as many as its host has addresses
 * @throws where one is no URL
 */
export function createInstances(
  urls: readonly string[],
  options: ConnectorOptions,
  balancer: Balancer<Instance>,
  { resolveName, logger }: { resolveName: ResolveName; logger: Logger },
): Instances {
  const open = new Set<Instance>()
  const create = (url: URL, address?: string): Instance => {
    const instance = createInstance(url, { ...options, address })
    open.add(instance)
    return instance
  }
  const retire = async (instance: Instance): Promise<void> => {
    balancer.remove(instance)
    await instance.connector.retire()
    open.delete(instance)
  }

  const follow = (url: URL) => {
    const found = new Map<string, Instance>()
    const onChange = (added: readonly string[], removed: readonly string[]): void => {
      const fresh = added.map(address => [address, create(url, address)] as const)
      for (const [address, instance] of fresh) found.set(address, instance)
      balancer.add(fresh.map(([, instance]) => instance))
      for (const address of removed) {
        const gone = found.get(address)
        found.delete(address)
        if (gone) retire(gone).catch(err => logger.warn({ err }, 'an instance did not end well'))
      }
    }
    return discover({ name: url.hostname, resolve: resolveName, onChange, logger })
  }

  const parsed = urls.map(parseInstance)
  balancer.add(parsed.filter(({ isNamed }) => !isNamed).map(({ url }) => create(url)))
  const discoveries = parsed.filter(({ isNamed }) => isNamed).map(({ url }) => follow(url))
  let awaited: Promise<void> | undefined
  if (discoveries.length > 0) {
    awaited = Promise.all(discoveries.map(({ ready }) => ready)).then(() => {
      awaited = undefined
    })
  }
  return {
    get awaited() {
      return awaited
    },
    async close() {
      for (const discovery of discoveries) discovery.stop()
      await Promise.all([...open].map(instance => instance.connector.close()))
    },
  }
}

function parseInstance(text: string): { url: URL; isNamed: boolean } {
  const isNamed = text.startsWith(NAMED)
  return { url: new URL(isNamed ? text.slice(NAMED.length) : text), isNamed }
}

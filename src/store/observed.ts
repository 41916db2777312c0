import { OutageError } from '../domain/outage.ts'
import type { Store } from './port.ts'

/** Learns of every operation: its name, how it ended, and how long it took (seconds). */
export type ObserveOperation = (
  operation: string,
  result: 'ok' | 'outage' | 'error',
  seconds: number,
) => void

/** The parts of a store whose members are all operations. */
const PARTS = ['clients', 'authorizations', 'grants', 'replay', 'rates'] as const

/** A store whose operations are observed; it behaves like the one that it is given. */
export function observeStore(store: Store, observe: ObserveOperation): Store {
  const observed = { ...store }
  for (const part of PARTS)
    Object.assign(observed, { [part]: observeOperations(part, store[part], observe) })
  return observed
}

function observeOperations(part: string, operations: object, observe: ObserveOperation): object {
  const entries = Object.entries(operations).map(([name, operation]: [string, unknown]) => {
    if (typeof operation !== 'function') throw new TypeError(`${part}.${name} is no operation`)
    const run = async (...args: unknown[]): Promise<unknown> =>
      Reflect.apply(Reflect.get(operations, name), operations, args)
    return [name, observeOperation(`${part}.${name}`, run, observe)]
  })
  return Object.fromEntries(entries)
}

function observeOperation(
  name: string,
  operation: (...args: unknown[]) => Promise<unknown>,
  observe: ObserveOperation,
) {
  return async (...args: unknown[]): Promise<unknown> => {
    const startedAt = performance.now()
    const seconds = () => (performance.now() - startedAt) / 1000
    try {
      const result = await operation(...args)
      observe(name, 'ok', seconds())
      return result
    } catch (error) {
      observe(name, error instanceof OutageError ? 'outage' : 'error', seconds())
      throw error
    }
  }
}

import { OutageError } from '../../domain/outage.ts'
import type { Sealer } from '../sealing.ts'

/** Values as sealed JSON. What opens was sealed by a gateway with our keys, so its shape is taken as written. */
export type SealedJson = {
  seal(value: unknown, recordKey: string): string
  /**
   * @throws OutageError where it does not open: a key that is missing here must log nobody out, so it is never "not found"
   */
  unseal<T>(envelope: string, recordKey: string): T
  isCurrent(envelope: string): boolean
}

export function createSealedJson(sealer: Sealer): SealedJson {
  return {
    seal: (value, recordKey) => sealer.seal(JSON.stringify(value), recordKey),
    unseal(envelope, recordKey) {
      try {
        return JSON.parse(sealer.unseal(envelope, recordKey))
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause)
        throw new OutageError('store', `a stored record does not open: ${why}`, { cause })
      }
    },
    isCurrent: sealer.isCurrent,
  }
}

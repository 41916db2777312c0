import { LRUCache } from 'lru-cache'
import type { Adapter, AdapterFactory, AdapterPayload } from 'oidc-provider'

/** The records of an embedded IdP, in memory. It outlives the provider that uses it, so that a provider with other keys can take it over. */
export type IdpStorage = {
  adapter: AdapterFactory
  /** Forgets every session, grant and token of a user. */
  revokeUser(subject: string): void
}

const MAX_RECORDS = 20_000

export function createIdpStorage(): IdpStorage {
  const records = new LRUCache<string, AdapterPayload>({ max: MAX_RECORDS })
  const remove = (isGone: (payload: AdapterPayload) => boolean) => {
    for (const [key, payload] of [...records.entries()]) {
      if (isGone(payload)) records.delete(key)
    }
  }
  return {
    adapter: model => createAdapter(model, records, remove),
    revokeUser: subject => remove(payload => payload.accountId === subject),
  }
}

function createAdapter(
  model: string,
  records: LRUCache<string, AdapterPayload>,
  remove: (isGone: (payload: AdapterPayload) => boolean) => void,
): Adapter {
  const keyOf = (id: string) => `${model}:${id}`
  return {
    upsert: async (id, payload, expiresIn) => {
      records.set(
        keyOf(id),
        payload,
        expiresIn === undefined ? {} : { ttl: Math.max(1, expiresIn * 1000) },
      )
    },
    find: async id => records.get(keyOf(id)),
    findByUid: async uid =>
      [...records.entries()].find(
        ([key, payload]) => key.startsWith(`${model}:`) && payload.uid === uid,
      )?.[1],
    findByUserCode: async () => undefined,
    destroy: async id => {
      records.delete(keyOf(id))
    },
    consume: async id => {
      const payload = records.get(keyOf(id))
      if (payload) payload.consumed = true
    },
    revokeByGrantId: async grantId => remove(payload => payload.grantId === grantId),
  }
}

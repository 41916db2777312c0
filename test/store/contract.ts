/**
 * What every store promises, as `src/store/port.ts` says it. Run against each adapter; each test uses names of its own, so nothing is emptied in between.
 *
 * Every subject is two stores that share what they keep, as two replicas do: races run across both.
 */
import { afterAll, beforeAll, describe } from 'vitest'
import type { StoreLifetimes } from '../../src/store/lifetimes.ts'
import type { Store } from '../../src/store/port.ts'
import {
  promiseClients,
  promiseCodes,
  promiseParking,
  promiseReplayGuard,
} from './contract/authorizations.ts'
import { promiseLife, promiseLists } from './contract/grants.ts'
import { promiseInvalidations, promiseStore } from './contract/process.ts'
import { promiseRates } from './contract/rates.ts'
import { promiseRotation } from './contract/rotation.ts'
import { CROWD, SHORT_SECONDS, type Subject } from './contract/subject.ts'
import { promiseLeases, promiseUpstreamTokens } from './contract/upstream.ts'

export type StorePair = readonly [Store, Store]
export type OpenPair = (lifetimes: Partial<StoreLifetimes>) => Promise<StorePair>

export function describeStoreContract(name: string, openPair: OpenPair): void {
  describe(`${name} keeps the promises of the store`, () => {
    const pairs: { usual?: StorePair; hasty?: StorePair } = {}
    beforeAll(async () => {
      pairs.usual = await openPair({})
      pairs.hasty = await openPair({
        graceSeconds: SHORT_SECONDS,
        leaseSeconds: SHORT_SECONDS,
        tombstoneSeconds: SHORT_SECONDS,
      })
    })
    afterAll(async () => {
      const stores = new Set([...(pairs.usual ?? []), ...(pairs.hasty ?? [])])
      await Promise.all([...stores].map(store => store.close()))
    })
    const subject: Subject = {
      store: () => pairs.usual![0],
      other: () => pairs.usual![1],
      hasty: () => pairs.hasty![0],
      otherHasty: () => pairs.hasty![1],
      all: act =>
        Promise.all(Array.from({ length: CROWD }, (_, n) => act(pairs.usual![n % 2 ? 1 : 0], n))),
    }

    describe('clients', () => promiseClients(subject))
    describe('parked authorizations', () => promiseParking(subject))
    describe('authorization codes', () => promiseCodes(subject))
    describe('the life of a grant', () => promiseLife(subject))
    describe('lists of grants', () => promiseLists(subject))
    describe('refresh tokens', () => promiseRotation(subject))
    describe('leases', () => promiseLeases(subject))
    describe('upstream tokens', () => promiseUpstreamTokens(subject))
    describe('used ids', () => promiseReplayGuard(subject))
    describe('rates', () => promiseRates(subject))
    describe('invalidations', () => promiseInvalidations(subject))
    describe('the store itself', () => promiseStore(subject))
  })
}

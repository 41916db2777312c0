import { createMemoryStore } from '../../src/store/memory.ts'
import { describeStoreContract } from './contract.ts'

describeStoreContract('the in-memory store', async lifetimes => {
  const store = createMemoryStore({ lifetimes })
  return [store, store]
})

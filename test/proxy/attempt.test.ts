import { expect, test } from 'vitest'
import { createLogger } from '../../src/observability/log.ts'
import { Attempt, type AttemptEvents } from '../../src/proxy/attempt.ts'
import { createBackend } from '../../src/proxy/backends.ts'
import { type Arrival, Call } from '../../src/proxy/call.ts'
import { backendOptions, claims, noNames, startBackend } from './support.ts'

test('a call whose client leaves while the connection is being made never reaches the instance', async () => {
  const instance = await startBackend()
  const backend = createBackend(backendOptions([instance.url]), {
    ...{ resolveName: noNames, now: () => 0, random: () => 0, logger: createLogger('silent') },
  })
  const finished = Promise.withResolvers<void>()
  const happened: string[] = []
  const events: AttemptEvents = {
    unsent: () => happened.push('unsent'),
    rejected: () => happened.push('rejected'),
    lost: () => happened.push('lost'),
    answered: () => ({ write: () => true, end: () => {}, drop: () => {} }),
    finished: () => finished.resolve(),
  }
  const dispatch = (path: string): Attempt => {
    // The part of an arrival that an attempt touches.
    const arrival = { backend, req: {}, head: {} } as unknown as Arrival
    const member = backend.balancer.take([], 'calls')!
    const share = { subject: 'anybody', calls: 0, streams: 0 }
    const attempt = new Attempt(new Call(arrival, claims({}), share, () => {}), member, events)
    const request = {
      path,
      method: 'POST',
      fields: [],
      body: Buffer.from('{}'),
      headersTimeoutMs: 5000,
    }
    member.value.connector.dispatch(request, attempt)
    return attempt
  }

  dispatch('/left').abort()
  dispatch('/stayed')
  await finished.promise
  expect(instance.seen.map(seen => seen.url)).toEqual(['/stayed'])
  expect(happened).toEqual([])
  expect(backend.balancer.members.map(member => member.calls)).toEqual([0])
  await backend.close()
})

/** Clients, parked authorizations, codes and used ids. */
import { expect, it } from 'vitest'
import { createId, createSecret } from '../../../src/domain/secret.ts'
import { sampleCode, samplePending } from '../samples.ts'
import { until } from '../until.ts'
import { CROWD, SHORT_SECONDS, type Subject } from './subject.ts'

export function promiseClients({ store, other }: Subject): void {
  it('denies a client on all replicas until it is lifted', async () => {
    const clientId = createId()
    expect(await store().clients.isDenied(clientId)).toBe(false)
    await store().clients.deny(clientId)
    await store().clients.deny(clientId)
    expect(await other().clients.isDenied(clientId)).toBe(true)
    expect(await other().clients.isDenied(`${clientId}x`)).toBe(false)
    await other().clients.lift(clientId)
    expect(await store().clients.isDenied(clientId)).toBe(false)
  })
}

export function promiseParking({ store, other, all }: Subject): void {
  it('gives back on one replica what was parked on another, once', async () => {
    const [handle, pending] = [createSecret(), samplePending()]
    await store().authorizations.park(handle, pending, 60)
    expect(await other().authorizations.takePending(handle)).toEqual(pending)
    expect(await store().authorizations.takePending(handle)).toBeUndefined()
  })

  it('gives it to exactly one of fifty', async () => {
    const handle = createSecret()
    await store().authorizations.park(handle, samplePending(), 60)
    const taken = await all(each => each.authorizations.takePending(handle))
    expect(taken.filter(pending => pending !== undefined)).toHaveLength(1)
  })

  it('knows nothing of a handle that was never parked', async () => {
    expect(await store().authorizations.takePending(createSecret())).toBeUndefined()
  })

  it('forgets what is not taken in time', async () => {
    const early = createSecret()
    const late = createSecret()
    await store().authorizations.park(early, samplePending(), 0.05)
    await store().authorizations.park(late, samplePending(), 60)
    const end = store().now() + 0.1
    await until('its end', () => store().now() > end)
    expect(await store().authorizations.takePending(early)).toBeUndefined()
    expect(await store().authorizations.takePending(late)).toBeDefined()
  })

  it('keeps a copy: what the caller changes later is not changed in the store', async () => {
    const [handle, pending] = [createSecret(), samplePending()]
    await store().authorizations.park(handle, pending, 60)
    pending.request.resource = 'https://mcp.example.com/another/mcp'
    const taken = await store().authorizations.takePending(handle)
    expect(taken?.request.resource).toBe('https://mcp.example.com/crm/mcp')
  })
}

export function promiseCodes({ store, other, hasty, otherHasty, all }: Subject): void {
  it('redeems a code once and then names its grant to whoever replays it', async () => {
    const [code, record] = [createSecret(), sampleCode()]
    await store().authorizations.issueCode(code, record, 60)
    expect(await other().authorizations.takeCode(code)).toEqual({
      outcome: 'redeemed',
      code: record,
    })
    const replay = { outcome: 'replayed', grantId: record.grantId }
    expect(await store().authorizations.takeCode(code)).toEqual(replay)
    expect(await other().authorizations.takeCode(code)).toEqual(replay)
  })

  it('redeems it to exactly one of fifty, and the others learn its grant', async () => {
    const [code, record] = [createSecret(), sampleCode()]
    await store().authorizations.issueCode(code, record, 60)
    const outcomes = await all(each => each.authorizations.takeCode(code))
    expect(outcomes.filter(({ outcome }) => outcome === 'redeemed')).toHaveLength(1)
    expect(outcomes.filter(({ outcome }) => outcome === 'replayed')).toHaveLength(CROWD - 1)
    for (const taken of outcomes) {
      if (taken.outcome === 'replayed') expect(taken.grantId).toBe(record.grantId)
    }
  })

  it('knows nothing of a code that was not issued, however alike', async () => {
    const code = createSecret()
    await store().authorizations.issueCode(code, sampleCode(), 60)
    for (const other of [code.slice(0, -1), `${code}A`, createSecret(), '']) {
      expect(await store().authorizations.takeCode(other)).toEqual({ outcome: 'unknown' })
    }
  })

  it('knows nothing of a code that ended unredeemed', async () => {
    const code = createSecret()
    await store().authorizations.issueCode(code, sampleCode(), 0.05)
    const end = store().now() + 0.1
    await until('its end', () => store().now() > end)
    expect(await store().authorizations.takeCode(code)).toEqual({ outcome: 'unknown' })
  })

  it('remembers a redeemed code beyond its own life, and forgets it after that', async () => {
    const code = createSecret()
    await hasty().authorizations.issueCode(code, sampleCode(), 0.2)
    expect((await hasty().authorizations.takeCode(code)).outcome).toBe('redeemed')
    const redeemedAt = hasty().now()
    await until('the end of the code', () => hasty().now() > redeemedAt + 0.25)
    expect((await otherHasty().authorizations.takeCode(code)).outcome).toBe('replayed')
    await until(
      'the end of its memory',
      async () => (await hasty().authorizations.takeCode(code)).outcome === 'unknown',
    )
    expect(hasty().now() - redeemedAt).toBeGreaterThan(SHORT_SECONDS - 0.1)
  })
}

export function promiseReplayGuard({ store, all }: Subject): void {
  it('calls an id new to exactly one of fifty', async () => {
    const id = createId()
    const answers = await all(each => each.replay.markUsed(id, each.now() + 60))
    expect(answers.filter(isNew => isNew)).toHaveLength(1)
    expect(await store().replay.markUsed(createId(), store().now() + 60)).toBe(true)
  })

  it('forgets an id at its time and not before', async () => {
    const id = createId()
    const end = store().now() + 0.3
    expect(await store().replay.markUsed(id, end)).toBe(true)
    await until('its end', () => store().replay.markUsed(id, store().now() + 60))
    expect(store().now()).toBeGreaterThanOrEqual(end - 0.05)
  })
}

import { describe, expect, it } from 'vitest'
import type { FreshToken, Usable } from '../../src/upstream/fresh-token.ts'
import type { UpstreamTokenSource } from '../../src/upstream/tokens.ts'
import { waitFor } from '../support/wait-for.ts'
import { createHouse, type House } from './house.ts'

const FLOW = 'flow-1'

function usable(answer: FreshToken): Usable & { accessToken: string } {
  if (answer.outcome !== 'usable' || answer.accessToken === undefined) {
    throw new Error(`no token: ${JSON.stringify(answer)}`)
  }
  return { ...answer, accessToken: answer.accessToken }
}

const resolveMany = (source: UpstreamTokenSource, grantId: string, count: number) =>
  Promise.all(Array.from({ length: count }, (_, n) => source.resolve(grantId, `${FLOW}-${n}`)))

async function versionOf({ store }: House, grantId: string): Promise<number | undefined> {
  return (await store.grants.find(grantId))?.version
}

describe('a token that has expired', () => {
  it('is refreshed once for any number of calls of one process', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const { grantId } = await house.openGrant('stale')
    const answers = (await resolveMany(source, grantId, 100)).map(usable)
    expect(new Set(answers.map(({ accessToken }) => accessToken)).size).toBe(1)
    expect(answers.filter(({ path }) => path === 'refreshed')).toHaveLength(1)
    expect(answers.filter(({ path }) => path === 'joined')).toHaveLength(99)
    expect(house.refreshes()).toBe(1)
  })

  it('is refreshed once for all replicas, and those that waited are woken by the channel', async () => {
    const house = await createHouse()
    const { grantId } = await house.openGrant('stale')
    const sources = [house.createSource(), house.createSource(), house.createSource()]
    house.idp.setFault({ kind: 'slow', ms: 200, endpoint: 'token' })
    const startedAt = performance.now()
    const answers = await Promise.all(sources.map(source => resolveMany(source, grantId, 20)))
    // Far below the time after which somebody who has heard nothing looks again.
    expect(performance.now() - startedAt).toBeLessThan(700)
    const paths = answers.flat().map(answer => usable(answer).path)
    expect(paths.filter(path => path === 'refreshed')).toHaveLength(1)
    expect(paths.filter(path => path === 'waited')).toHaveLength(2)
    expect(house.refreshes()).toBe(1)
  })

  it('is refreshed with the fields of the store, not of a copy: who comes late looks again', async () => {
    const house = await createHouse()
    const grant = await house.openGrant('ahead')
    const [early, late] = [house.createSource(), house.createSource()]
    // Both hold the same token; one refreshes it behind a call.
    usable(await early.resolve(grant.grantId, FLOW))
    await waitFor(async () => (await versionOf(house, grant.grantId)) === 1, { what: 'version 1' })
    const answer = usable(await late.resolve(grant.grantId, FLOW))
    expect([answer.grant.version, house.refreshes()]).toEqual([1, 1])
  })

  it('is not refreshed for another grant: each has its own lease', async () => {
    const house = await createHouse()
    const [one, two] = [await house.openGrant('stale'), await house.openGrant('stale')]
    const source = house.createSource({ refreshTimeoutMs: 500 })
    house.idp.setFault({ kind: 'hang', endpoint: 'token', times: 1 })
    const hanging = source.resolve(one.grantId, FLOW)
    await waitFor(() => house.refreshes() === 1, { what: 'the first to hang' })
    usable(await source.resolve(two.grantId, FLOW))
    expect(house.idp.counts.refresh.results).toEqual({ 'fault:hang': 1, ok: 1 })
    await source.close()
    expect((await hanging).outcome).toBe('unavailable')
  })
})

describe('a token that is near its end', () => {
  it('goes out once more while it is refreshed behind the call', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const { grantId, upstreamTokens } = await house.openGrant('ahead')
    house.idp.setFault({ kind: 'slow', ms: 100, endpoint: 'token' })
    const answer = usable(await source.resolve(grantId, FLOW))
    expect(answer.accessToken).toBe(upstreamTokens.accessToken)
    expect(source.peek(grantId)?.accessToken).toBe(upstreamTokens.accessToken)
    await waitFor(async () => (await versionOf(house, grantId)) === 1, { what: 'the refresh' })
    const later = usable(await source.resolve(grantId, FLOW))
    expect(later.accessToken).not.toBe(upstreamTokens.accessToken)
    expect(house.refreshes()).toBe(1)
  })

  it('goes on being used while the IdP is down', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const { grantId, upstreamTokens } = await house.openGrant('ahead')
    await source.resolve(grantId, FLOW)
    await house.idp.goDown()
    const answers = (await resolveMany(source, grantId, 50)).map(usable)
    expect(new Set(answers.map(answer => answer.accessToken))).toEqual(
      new Set([upstreamTokens.accessToken]),
    )
    await house.idp.comeBack()
  })
})

describe('a refused token', () => {
  it('is refreshed by force once, for all calls that it met', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const { grantId } = await house.openGrant('fresh')
    const { accessToken } = usable(await source.resolve(grantId, FLOW))
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => source.resolveAfterRejection(grantId, accessToken, FLOW)),
    )
    const tokens = new Set(answers.map(answer => usable(answer).accessToken))
    expect([tokens.size, tokens.has(accessToken), house.refreshes()]).toEqual([1, false, 1])
  })

  it('is never answered with the result of an earlier refresh that it came from itself', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const { grantId, upstreamTokens } = await house.openGrant('fresh')
    const second = usable(
      await source.resolveAfterRejection(grantId, upstreamTokens.accessToken, FLOW),
    )
    house.clock.advance(10)
    const third = usable(await source.resolveAfterRejection(grantId, second.accessToken, FLOW))
    expect(third.accessToken).not.toBe(second.accessToken)
    expect(house.refreshes()).toBe(2)
  })

  it('is answered with the newer one that another replica has got meanwhile, without asking the IdP', async () => {
    const house = await createHouse()
    const [one, other] = [house.createSource(), house.createSource()]
    const { grantId, upstreamTokens } = await house.openGrant('fresh')
    const { accessToken } = upstreamTokens
    const renewed = usable(await one.resolveAfterRejection(grantId, accessToken, FLOW))
    const found = usable(await other.resolveAfterRejection(grantId, accessToken, FLOW))
    expect([found.accessToken, found.path]).toEqual([renewed.accessToken, 'store'])
    expect(house.refreshes()).toBe(1)
  })

  it('is not blamed while it is as new as can be', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const { grantId, upstreamTokens } = await house.openGrant('fresh')
    const { accessToken } = usable(
      await source.resolveAfterRejection(grantId, upstreamTokens.accessToken, FLOW),
    )
    const again = await source.resolveAfterRejection(grantId, accessToken, FLOW)
    expect([again.outcome, house.refreshes()]).toEqual(['rejected', 1])
  })

  it('is blamed where it seems to come from the future: the clock of whoever got it was off', async () => {
    const house = await createHouse()
    const source = house.createSource()
    house.clock.advance(60)
    const { grantId, upstreamTokens } = await house.openGrant('fresh')
    const { accessToken } = usable(
      await source.resolveAfterRejection(grantId, upstreamTokens.accessToken, FLOW),
    )
    house.clock.advance(-60)
    usable(await source.resolveAfterRejection(grantId, accessToken, FLOW))
    expect(house.refreshes()).toBe(2)
  })

  it('of a dead grant needs a new login', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const { grantId, upstreamTokens } = await house.openGrant('fresh')
    house.idp.revokeUser('alice')
    const { accessToken } = upstreamTokens
    const answer = await source.resolveAfterRejection(grantId, accessToken, FLOW)
    expect(answer).toEqual({ outcome: 'gone', reason: 'invalid_grant' })
  })
})

describe('what a process remembers', () => {
  it('is bounded in number', async () => {
    const house = await createHouse()
    const source = house.createSource({ cacheSize: 2 })
    const grants = [
      await house.openGrant('fresh'),
      await house.openGrant('fresh'),
      await house.openGrant('fresh'),
    ]
    for (const { grantId } of grants) await source.resolve(grantId, FLOW)
    expect(grants.map(({ grantId }) => source.peek(grantId) !== undefined)).toEqual([
      false,
      true,
      true,
    ])
  })

  it('is bounded in time, should a message be lost', async () => {
    const house = await createHouse()
    const deaf = { publish: async () => {}, subscribe: () => () => {} }
    const source = house.createSource({ cacheMs: 100, invalidations: deaf })
    const { grantId } = await house.openGrant('fresh')
    await source.resolve(grantId, FLOW)
    await house.store.grants.revoke(grantId)
    expect(source.peek(grantId)).toBeDefined()
    await waitFor(() => !source.peek(grantId), { what: 'the end of the cached grant' })
    expect((await source.resolve(grantId, FLOW)).outcome).toBe('gone')
  })

  it('is forgotten when the channel says that the grant was revoked', async () => {
    const house = await createHouse()
    const sources = [house.createSource(), house.createSource()]
    const { grantId } = await house.openGrant('fresh')
    for (const source of sources) usable(await source.resolve(grantId, FLOW))
    await house.store.grants.revoke(grantId)
    await waitFor(() => sources.every(source => !source.peek(grantId)), { what: 'the message' })
    for (const source of sources) {
      const answer = await source.resolve(grantId, FLOW)
      expect(answer).toEqual({ outcome: 'gone', reason: 'revoked_or_expired' })
    }
  })

  it('is not what was read before a revocation, though it is answered after it', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const { grantId } = await house.openGrant('stale')
    const { invalidations, grants } = house.store
    invalidations.subscribe(message => {
      if (message.kind === 'grant' && message.change === 'replaced') void grants.revoke(grantId)
    })
    // The refresh was stored, and the grant revoked before the refresh is over.
    usable(await source.resolve(grantId, FLOW))
    expect(source.peek(grantId)).toBeUndefined()
    expect((await source.resolve(grantId, FLOW)).outcome).toBe('gone')
  })
})

describe('the end of a process', () => {
  it('waits until a refresh that is under way is stored', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const { grantId } = await house.openGrant('stale')
    house.idp.setFault({ kind: 'slow', ms: 200, endpoint: 'token' })
    const answer = source.resolve(grantId, FLOW)
    await waitFor(() => house.refreshes() === 1, { what: 'the refresh' })
    await source.close()
    expect(await versionOf(house, grantId)).toBe(1)
    usable(await answer)
  })

  it('does not wait for a refresh that another replica holds', async () => {
    const house = await createHouse()
    const { grantId } = await house.openGrant('stale')
    expect(await house.store.grants.claimUpstreamRefresh(grantId, 'another')).toBeDefined()
    const source = house.createSource({ refreshTimeoutMs: 60_000 })
    const answer = source.resolve(grantId, FLOW)
    const startedAt = performance.now()
    await source.close()
    expect(performance.now() - startedAt).toBeLessThan(500)
    expect(await answer).toMatchObject({ outcome: 'unavailable', reason: 'refresh_held_elsewhere' })
  })
})

describe('what a flow leaves in the log', () => {
  it('is one line with its correlation id, its grant and the path of its token', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const { grantId } = await house.openGrant('stale')
    await Promise.all([source.resolve(grantId, 'first'), source.resolve(grantId, 'second')])
    await source.resolve(grantId, 'third')
    await source.resolve(grantId, 'fourth')
    const pathOf = (correlationId: string) =>
      house.log.filter(
        line => line.correlationId === correlationId && line.msg === 'upstream token resolved',
      )
    expect(pathOf('first')).toMatchObject([{ grantId, path: 'refreshed', version: 1 }])
    expect(pathOf('second')).toMatchObject([{ grantId, path: 'joined', version: 1 }])
    expect(['store', 'cache']).toContain(pathOf('third')[0]?.path)
    expect(pathOf('fourth')).toMatchObject([{ grantId, path: 'cache', version: 1 }])
    const refresh = house.log.filter(line => line.msg === 'upstream tokens refreshed')
    expect(refresh).toMatchObject([{ correlationId: 'first', grantId, path: 'refreshed' }])
  })

  it('holds no token', async () => {
    const house = await createHouse()
    const source = house.createSource()
    const { grantId, upstreamTokens } = await house.openGrant('stale')
    const { accessToken, grant } = usable(await source.resolve(grantId, FLOW))
    const text = JSON.stringify(house.log)
    const { refreshToken } = grant.upstreamTokens
    for (const secret of [accessToken, refreshToken, upstreamTokens.refreshToken]) {
      expect(secret).toBeDefined()
      expect(text).not.toContain(secret)
    }
  })
})

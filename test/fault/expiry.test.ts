/** One refresh for everybody, whichever replica they are on. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { call, refresh, type Session, signIn, tally, upstreamExpiry } from './client.ts'
import {
  allLines,
  countRefreshes,
  type FaultHouse,
  type LogLine,
  reach,
  startHouse,
} from './house.ts'

const TTL_SECONDS = 4
const TOO_YOUNG_TO_BLAME_SECONDS = 5

let house: FaultHouse

beforeAll(async () => {
  house = await startHouse({ idp: { accessTokenTtlSeconds: TTL_SECONDS } })
})
afterAll(() => house.close())

const callEverywhere = (session: Session, count: number) =>
  Promise.all(Array.from({ length: count }, (_, n) => call(session, house.replicas[n % 3]!)))

describe('two hundred calls of one grant at expiry, on three replicas', () => {
  it('are all answered, and cost the IdP one refresh', async () => {
    const session = await signIn(house)
    await upstreamExpiry(session, TTL_SECONDS)
    const refreshes = countRefreshes(house)
    const answers = await callEverywhere(session, 200)
    expect(tally(answers)).toEqual({ 200: 200 })
    expect(refreshes()).toEqual({ requests: 1, results: { ok: 1 } })
  })

  it('leave lines that say which way each replica came by the token', async () => {
    const session = await signIn(house)
    await upstreamExpiry(session, TTL_SECONDS)
    const before = house.replicas.map(replica => replica.lines().length)
    house.idp.setFault({ kind: 'slow', ms: 300, endpoint: 'token', times: 1 })
    await callEverywhere(session, 30)
    const linesSince = () => house.replicas.map((replica, n) => replica.lines().slice(before[n]))
    const resolvedOf = (all: LogLine[][]) =>
      all.flat().filter(line => line.msg === 'upstream token resolved')
    await expect.poll(() => resolvedOf(linesSince())).toHaveLength(30)
    const lines = linesSince()
    const refreshed = lines.flat().filter(line => line.msg === 'upstream tokens refreshed')
    const waited = lines
      .flat()
      .filter(line => line.msg === 'upstream tokens refreshed by another replica')
    expect(refreshed).toHaveLength(1)
    expect(refreshed[0]).toMatchObject({ path: 'refreshed', version: 1 })
    const { grantId } = refreshed[0]!
    expect(waited.map(({ path, version, grantId }) => ({ path, version, grantId }))).toEqual([
      { path: 'waited', version: 1, grantId },
      { path: 'waited', version: 1, grantId },
    ])
    const paths = Object.groupBy(resolvedOf(lines), line => String(line.path))
    expect([paths.refreshed?.length, paths.waited?.length]).toEqual([1, 2])
    expect(paths.joined?.length).toBe(27)
    // Each call has an id of its own, which the refresh that it led has too.
    expect(new Set(resolvedOf(lines).map(line => line.correlationId)).size).toBe(30)
    expect(paths.refreshed?.[0]?.correlationId).toBe(refreshed[0]?.correlationId)
  })

  it('cost one refresh too where half of them are refreshes of the client', async () => {
    const session = await signIn(house)
    await upstreamExpiry(session, TTL_SECONDS)
    const refreshes = countRefreshes(house)
    const answers = await Promise.all([
      callEverywhere(session, 30),
      ...Array.from({ length: 10 }, (_, n) => refresh(session, house.replicas[n % 3]!)),
    ])
    expect(tally(answers.flat())).toEqual({ 200: 40 })
    expect(refreshes()).toEqual({ requests: 1, results: { ok: 1 } })
  })
})

describe('a backend that refuses the token in mid-use', () => {
  let longLived: FaultHouse
  let sessions: Session[]

  beforeAll(async () => {
    longLived = await startHouse({ idp: { accessTokenTtlSeconds: 600 } })
    sessions = [await signIn(longLived), await signIn(longLived)]
    await reach(sessions[1]!.signedInAt + TOO_YOUNG_TO_BLAME_SECONDS + 0.5)
  })
  afterAll(() => longLived.close())

  it('gets the same calls once more after one forced refresh, for all replicas', async () => {
    const { backend, replicas } = longLived
    const session = sessions[0]!
    await call(session, replicas[0]!)
    const refused = backend.calls.at(-1)!.token
    backend.accept(token => token !== refused)
    const refreshes = countRefreshes(longLived)
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, n) => call(session, replicas[n % 3]!)),
    )
    expect(tally(answers)).toEqual({ 200: 60 })
    expect(refreshes()).toEqual({ requests: 1, results: { ok: 1 } })
  })

  it('and refuses the new one too: the client is asked to authorize, and nothing is lost', async () => {
    const { backend, replicas } = longLived
    const session = sessions[1]!
    const refreshes = countRefreshes(longLived)
    backend.accept(() => false)
    const before = backend.calls.length
    const answer = await call(session, replicas[0]!)
    expect(answer.status).toBe(401)
    expect(answer.challenge).toMatch(/^Bearer .*error="invalid_token".*resource_metadata="/)
    expect(backend.calls.slice(before).map(({ status }) => status)).toEqual([401, 401])
    expect(refreshes().requests).toBe(1)

    // Refused again at once: another token would not help, so the IdP is left alone.
    expect((await call(session, replicas[1]!)).status).toBe(401)
    expect(refreshes().requests).toBe(1)
    backend.accept(() => true)
    expect((await call(session, replicas[2]!)).status).toBe(200)
  })
})

describe('one flow', () => {
  it('has one id in the lines of every replica that it passes', async () => {
    const before = house.replicas.map(replica => replica.lines().length)
    await signIn(house)
    const auditsOf = () =>
      house.replicas.map((replica, n) =>
        replica
          .lines()
          .slice(before[n])
          .filter(line => line.audit === true),
      )
    const eventsOf = () =>
      auditsOf()
        .flat()
        .filter(line => line.event !== 'registration')
    await expect
      .poll(() =>
        eventsOf()
          .map(({ event, outcome }) => `${event} ${outcome}`)
          .sort(),
      )
      .toEqual(['consent granted', 'login granted', 'token granted'])
    const audits = auditsOf()
    expect(new Set(eventsOf().map(line => line.correlationId)).size).toBe(1)
    expect(audits.filter(own => own.length > 0).length).toBeGreaterThan(1)
  })

  it('leaves nothing in the log that is not a log line', () => {
    expect(allLines(house).filter(line => 'text' in line)).toEqual([])
  })
})

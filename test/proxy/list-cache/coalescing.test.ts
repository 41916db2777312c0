import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { eventually, type Gateway, type Reply } from '../support.ts'
import { type House, namesIn, read, requestOf, setUp } from './house.ts'

const CROWD = 50

/** Asks for many at once, and waits until the backend has what it gets of them. */
async function crowd(
  house: House,
  users: readonly string[],
  atBackend = 1,
): Promise<{ replies: Promise<Reply[]> }> {
  const replies = Promise.all(users.map((user, index) => house.list(user, { id: index })))
  replies.catch(() => {})
  await eventually(() => house.held.length >= atBackend, 'the backend is asked')
  await eventually(() => inFlight(house) === users.length, 'all are under way')
  return { replies }
}

const inFlight = ({ gateway }: { gateway: Gateway }) => gateway.proxy.state().callsInFlight
const turns = (count: number, ...users: string[]) =>
  Array.from({ length: count }, (_, index) => users[index % users.length] ?? '')

describe('requests for the same at the same time', () => {
  it('are one to the backend where the answer is public, and each caller sees what it may', async () => {
    const house = await setUp({ script: { isHolding: true } })
    const users = turns(CROWD, 'alice', 'bob', 'carol')
    const { replies: pending } = await crowd(house, users)
    house.release()
    const replies = await pending
    expect(house.count()).toBe(1)
    expect(replies.map(reply => read(reply).id)).toEqual(users.map((_, index) => index))
    expect(replies.map(namesIn)).toEqual(
      users.map(user => (user === 'bob' ? ['read'] : ['read', 'export_csv'])),
    )
    expect(house.counted.filter(how => how === 'coalesced')).toHaveLength(CROWD - 1)
  })

  it('are one for each grant where it is private, and nobody gets another’s', async () => {
    const house = await setUp({ script: { isHolding: true, cacheScope: 'private' } })
    const users = turns(CROWD, 'alice', 'bob', 'carol')
    const { replies: pending } = await crowd(house, users)
    house.release()
    const replies = await pending
    expect(house.count()).toBe(3)
    expect(replies.map(({ body }) => /token of grant-(\w+)/.exec(body)?.[1])).toEqual(users)
  })

  it('do not wait for another grant’s once the answer is known to be private', async () => {
    const house = await setUp({ script: { cacheScope: 'private' } })
    await house.list('alice')
    house.time.ms += 60_000
    house.script.isHolding = true
    const { replies } = await crowd(house, turns(6, 'alice', 'bob', 'carol'), 3)
    house.release()
    await replies
    expect(house.count()).toBe(4)
  })

  it('are each one to the backend where the answer is not kept', async () => {
    const house = await setUp({ script: { isHolding: true, ttlMs: 0 } })
    const { replies: pending } = await crowd(house, turns(5, 'alice'))
    house.release()
    expect((await pending).map(({ status }) => status)).toEqual(turns(5, '200').map(Number))
    expect(house.count()).toBe(5)
    house.script.isHolding = true
    const again = await crowd(house, turns(5, 'alice'), 5)
    house.release()
    await again.replies
  })

  it('do not wait for ever for one that is slow', async () => {
    const house = await setUp({ script: { isHolding: true }, waitMs: 20 })
    const { replies: pending } = await crowd(house, turns(3, 'alice'))
    await eventually(() => house.held.length === 3, 'the others ask for themselves')
    house.release()
    expect((await pending).map(({ status }) => status)).toEqual([200, 200, 200])
  })
})

describe('those who wait for the first', () => {
  async function withLeader(house: House, others: readonly string[]) {
    const leader = await openOne(house, 'alice')
    await eventually(() => house.held.length === 1, 'the first is at the backend')
    const pending = Promise.all(others.map(user => house.list(user)))
    pending.catch(() => {})
    await eventually(() => inFlight(house) === others.length + 1, 'the others wait')
    return { leader, pending }
  }

  /** A request whose client can leave. */
  async function openOne(house: House, user: string) {
    const { headers, body, token } = requestOf(user)
    const socket = connect(house.gateway.port, '127.0.0.1').on('error', () => {})
    const fields = Object.entries({
      ...headers,
      host: 'mcp.example.com',
      authorization: `Bearer ${token}`,
      'content-length': String(Buffer.byteLength(body)),
    }).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(`POST /crm/mcp HTTP/1.1\r\n${fields.join('')}\r\n${body}`)
    return socket
  }

  it('are not left alone when its client leaves: one of them asks for all', async () => {
    const house = await setUp({ script: { isHolding: true } })
    const { leader, pending } = await withLeader(house, turns(10, 'carol', 'bob'))
    leader.destroy()
    await eventually(() => house.held.length === 2, 'another asks')
    house.release()
    expect((await pending).map(({ status }) => status)).toEqual(turns(10, '200').map(Number))
    expect(house.count()).toBe(2)
  })

  it('do not fail with it', async () => {
    const house = await setUp({ script: { isHolding: true, status: 500 } })
    const { leader, pending } = await withLeader(house, turns(3, 'carol'))
    house.held.shift()?.()
    await eventually(() => house.held.length === 3, 'each asks for itself')
    house.script.status = 200
    house.release()
    expect((await pending).map(({ status }) => status)).toEqual([200, 200, 200])
    leader.destroy()
  })

  it('do not fail with it when the backend refuses its token', async () => {
    const house = await setUp({ script: { isHolding: true } })
    const { leader, pending } = await withLeader(house, turns(3, 'carol'))
    house.script.refused = ['grant-alice']
    house.held.shift()?.()
    await eventually(() => house.held.length === 1, 'one of them asks for all')
    house.release()
    expect((await pending).map(({ status }) => status)).toEqual([200, 200, 200])
    expect(house.count()).toBe(2)
    leader.destroy()
  })

  it('may leave as well', async () => {
    const house = await setUp({ script: { isHolding: true } })
    const first = house.list('alice')
    await eventually(() => house.held.length === 1, 'the first is at the backend')
    const second = await openOne(house, 'carol')
    await eventually(() => inFlight(house) === 2, 'the second waits')
    second.destroy()
    await eventually(() => inFlight(house) === 1, 'the second has left')
    house.release()
    expect((await first).status).toBe(200)
    expect(house.counted).toEqual(['miss'])
  })
})

import { describe, expect, it } from 'vitest'
import { type House, namesIn, read, setUp } from './house.ts'

const ALL = ['read', 'export_csv']

/** Nobody has anything in an answer that was said to somebody else. */
async function expectOwn(house: House, users: readonly string[]): Promise<void> {
  for (const user of users) {
    const { body } = await house.list(user)
    expect([...body.matchAll(/token of grant-(\w+)/g)].map(([, whose]) => whose)).toEqual([user])
  }
}

describe('MCP 2026-07-28, "Cache Scope": what is public', () => {
  it('is asked for once, and given to everybody who may use the backend', async () => {
    const house = await setUp()
    expect(namesIn(await house.list('alice'))).toEqual(ALL)
    expect(namesIn(await house.list('alice'))).toEqual(ALL)
    expect(namesIn(await house.list('carol'))).toEqual(ALL)
    expect(house.count()).toBe(1)
    expect(house.counted).toEqual(['miss', 'hit', 'hit'])
  })

  it('is given with the id of whoever asks, in any script', async () => {
    const house = await setUp({ script: { tools: ['größe', '大小'] } })
    await house.list('alice', { id: 1 })
    const reply = await house.list('carol', { id: '別' })
    expect(read(reply).id).toBe('別')
    expect(namesIn(reply)).toEqual(['größe', '大小'])
    house.script.tools = []
    expect(namesIn(await house.list('bob', { id: 'é' }))).toEqual(['größe', '大小'])
    expect(house.count()).toBe(1)
  })

  it('is given to nobody who is not let in', async () => {
    const house = await setUp()
    await house.list('alice')
    expect((await house.list('stranger')).status).toBe(401)
    house.gone.add('grant-carol')
    expect((await house.list('carol')).status).toBe(401)
  })

  it('is given to nobody whom the backend is not for', async () => {
    const house = await setUp({ gateway: { backend: { allow: { group: 'alice' } } } })
    expect((await house.list('alice')).status).toBe(200)
    expect((await house.list('carol')).status).toBe(403)
  })

  it('is not given for another backend, whatever else is the same', async () => {
    const house = await setUp()
    await house.list('alice')
    house.script.tools = ['search']
    const wiki = await house.list('alice~/wiki/mcp', { path: '/wiki/mcp' })
    expect(namesIn(wiki)).toEqual(['search'])
    expect(namesIn(await house.list('alice'))).toEqual(ALL)
  })

  it('comes with what a browser needs', async () => {
    const house = await setUp()
    const headers = { origin: 'https://app.example.com' }
    const [first, second] = [
      await house.list('alice', { headers }),
      await house.list('carol', { headers }),
    ]
    expect(second?.headers['access-control-allow-origin']).toBe(headers.origin)
    expect(second?.headers['access-control-allow-origin']).toBe(
      first?.headers['access-control-allow-origin'],
    )
    expect(house.count()).toBe(1)
  })
})

describe('what a policy hides', () => {
  it.each([
    ['the first who asks sees all', ['alice', 'bob', 'alice', 'bob']],
    ['the first who asks does not', ['bob', 'alice', 'bob', 'alice']],
  ])('is left out for each caller anew: %s', async (_, users) => {
    for (const form of ['json', 'event-stream'] as const) {
      const house = await setUp({ script: { form } })
      const seen = []
      for (const user of users) seen.push(await house.list(user))
      const shown = seen.slice(1).map((reply, index) => [users[index + 1], namesIn(reply)])
      expect(shown).toEqual(users.slice(1).map(user => [user, user === 'bob' ? ['read'] : ALL]))
      expect(seen[0]?.body.includes('export_csv')).toBe(users[0] !== 'bob')
      expect(house.count()).toBe(1)
    }
  })

  it('makes the rest private, so that nobody gets it in another’s place', async () => {
    const house = await setUp()
    await house.list('alice')
    expect(read(await house.list('bob')).result.cacheScope).toBe('private')
    expect(read(await house.list('alice')).result.cacheScope).toBe('public')
  })
})

describe('MCP 2026-07-28, "Cache Scope": what is private', () => {
  it('is given to the grant that asked for it, and to no other', async () => {
    const house = await setUp({ script: { cacheScope: 'private' } })
    for (let round = 0; round < 3; round += 1) await expectOwn(house, ['alice', 'carol', 'bob'])
    expect(house.count()).toBe(3)
  })

  it('is not given any more when the backend is shown another token', async () => {
    const house = await setUp({ script: { cacheScope: 'private' } })
    await house.list('alice')
    house.versions.set('grant-alice', 2)
    await house.list('alice')
    expect(house.count()).toBe(2)
  })

  it('ends what was public before', async () => {
    const house = await setUp()
    await house.list('alice', {})
    house.time.ms += 60_000
    house.script.cacheScope = 'private'
    await house.list('alice')
    await expectOwn(house, ['alice', 'carol'])
    house.script.status = 503
    expect((await house.list('bob')).status).toBe(503)
  })
})

describe('an answer is not given to a question that differs', () => {
  it.each([
    ['in capabilities', { capabilities: { sampling: {} } }],
    ['in the cursor', { params: { cursor: 'b' } }],
    ['in a field that the backend gets', { headers: { 'x-tenant': 'b' } }],
    ['in the query', { path: '/crm/mcp?tenant=b' }],
    ['in the method', { method: 'prompts/list' }],
  ])('%s', async (_, change) => {
    const house = await setUp()
    await house.list('alice')
    await house.list('alice', change)
    expect(house.count()).toBe(2)
    await house.list('carol', change)
    expect(house.count()).toBe(2)
  })
})

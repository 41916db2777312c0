import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createLogger } from '../../../src/observability/log.ts'
import { createChanges } from '../../../src/proxy/list-cache/changes.ts'
import { createMemoryStore } from '../../../src/store/memory.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

function setUp(publish?: () => Promise<void>) {
  const { invalidations } = createMemoryStore()
  const told: string[] = []
  const changes = createChanges({
    backends: ['crm', 'wiki'],
    invalidations: {
      ...invalidations,
      publish: async said => {
        if (said.kind === 'lists') told.push(`${said.backend} ${said.list}`)
        await (publish?.() ?? invalidations.publish(said))
      },
    },
    logger: createLogger('silent'),
    onSeen: () => {},
  })
  return { changes, told, invalidations }
}

describe('a change that many streams tell at once', () => {
  it('is told to the other replicas at once, and again at the end of a second for those that came meanwhile', () => {
    const { changes, told } = setUp()
    for (let stream = 0; stream < 100; stream += 1) changes.seen('crm', 'tools')
    expect(told).toEqual(['crm tools'])
    changes.seen('crm', 'prompts')
    changes.seen('wiki', 'tools')
    expect(told).toEqual(['crm tools', 'crm prompts', 'wiki tools'])
    vi.advanceTimersByTime(1000)
    expect(told.slice(3)).toEqual(['crm tools'])
    vi.advanceTimersByTime(5000)
    expect(told).toHaveLength(4)
    changes.seen('crm', 'tools')
    expect(told).toHaveLength(5)
    changes.close()
  })

  it('counts here each time', () => {
    const { changes } = setUp()
    const epochs = [0, 1, 2].map(() => {
      changes.seen('crm', 'tools')
      return changes.epochOf('crm', 'tools')
    })
    expect(new Set(epochs).size).toBe(3)
    expect(changes.epochOf('crm', 'prompts')).toBe(changes.epochOf('wiki', 'tools'))
  })

  it('is told before the end of a process, where it has not been', () => {
    const { changes, told } = setUp()
    changes.seen('crm', 'tools')
    changes.seen('crm', 'tools')
    changes.close()
    expect(told).toEqual(['crm tools', 'crm tools'])
  })

  it('counts here although it cannot be told', async () => {
    const { changes } = setUp(() => Promise.reject(new Error('no store')))
    const before = changes.epochOf('crm', 'tools')
    changes.seen('crm', 'tools')
    expect(changes.epochOf('crm', 'tools')).not.toBe(before)
    changes.close()
  })
})

describe('a change that another replica tells', () => {
  it('counts for the list of the backend that it names, if that is kept here, until the end', async () => {
    const { changes, invalidations } = setUp()
    const before = changes.epochOf('crm', 'tools')
    await invalidations.publish({ kind: 'lists', backend: 'crm', list: 'tools' })
    await invalidations.publish({ kind: 'lists', backend: 'unknown', list: 'tools' })
    await Promise.resolve()
    const after = changes.epochOf('crm', 'tools')
    expect(after).not.toBe(before)
    expect(changes.epochOf('unknown', 'tools')).toBe(before)
    changes.close()
    await invalidations.publish({ kind: 'lists', backend: 'crm', list: 'tools' })
    await Promise.resolve()
    expect(changes.epochOf('crm', 'tools')).toBe(after)
  })
})

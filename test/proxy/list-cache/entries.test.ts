import { describe, expect, it } from 'vitest'
import { createEntries, type Entry } from '../../../src/proxy/list-cache/entries.ts'

const entry = (change: Partial<Entry> = {}): Entry => ({
  ...{ scope: 'public', ttlMs: 1000, askedAt: 0, before: '{"ttlMs":', after: '}' },
  ...change,
})

describe('the list cache', () => {
  it('is bounded in number', () => {
    const entries = createEntries(() => 0)
    for (let count = 0; count < 5000; count += 1) entries.keep(`q${count}`, 'a', entry())
    expect(entries.size().entries).toBe(4096)
    expect(entries.find('q0', 'a')).toBeUndefined()
    expect(entries.find('q4999', 'a')).toBeDefined()
  })

  it('is bounded in bytes', () => {
    const entries = createEntries(() => 0)
    const before = 'x'.repeat(1_000_000)
    for (let count = 0; count < 100; count += 1) entries.keep(`q${count}`, 'a', entry({ before }))
    expect(entries.size().bytes).toBeLessThanOrEqual(64 * 1024 * 1024)
    expect(entries.size().entries).toBeGreaterThan(25)
    entries.clear()
    expect(entries.size()).toEqual({ entries: 0, bytes: 0 })
  })

  it('prefers what is fresh, and of two that are not the younger', () => {
    let now = 0
    const entries = createEntries(() => now)
    entries.keep('q', 'a', entry({ scope: 'private', ttlMs: 5000, after: 'own}' }))
    entries.keep('q', 'b', entry({ askedAt: 10, after: 'shared}' }))
    expect(entries.find('q', 'a')?.after).toBe('shared}')
    now = 2000
    expect(entries.find('q', 'a')?.after).toBe('own}')
    expect(entries.find('q', 'b')?.after).toBe('shared}')
  })

  it('forgets what is too old even for a backend that fails', () => {
    let now = 0
    const entries = createEntries(() => now)
    entries.keep('q', 'a', entry())
    now = 1000 + 600_000
    expect(entries.find('q', 'a')).toBeUndefined()
    expect(entries.size().entries).toBe(0)
  })
})

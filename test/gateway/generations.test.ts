import { describe, expect, it, onTestFinished } from 'vitest'
import { createGenerations, type Generation } from '../../src/gateway/generations.ts'
import { waitFor } from '../support/wait-for.ts'

function createGeneration(name: string) {
  const state = { name, underWay: 0, events: [] as string[] }
  const generation: Generation = {
    find: () => undefined,
    rest: () => void state.events.push('asked'),
    underWay: () => state.underWay,
    drain: () => void state.events.push('drained'),
    close: async () => void state.events.push('closed'),
  }
  return { ...generation, state }
}

function setUp() {
  const first = createGeneration('first')
  const generations = createGenerations(first, () => {})
  onTestFinished(generations.close)
  const ask = () => generations.rest(undefined as never, undefined as never)
  return { first, generations, ask }
}

describe('a generation that was replaced', () => {
  it('gets no more requests, and is closed once those that it had are through', async () => {
    const { first, generations, ask } = setUp()
    const second = createGeneration('second')
    first.state.underWay = 1
    generations.replace(second)
    ask()
    expect(second.state.events).toEqual(['asked'])
    expect(generations.all()).toEqual([second, first])
    // Longer than it takes where nothing is under way.
    const from = performance.now()
    await waitFor(() => performance.now() - from > 2500, { what: 'some checks' })
    expect(first.state.events).toEqual(['drained'])
    first.state.underWay = 0
    await waitFor(() => first.state.events.includes('closed'), { what: 'it to be closed' })
    expect(generations.all()).toEqual([second])
    expect(second.state.events).toEqual(['asked'])
  })

  it('is closed with the gateway where that is sooner', async () => {
    const { first, generations } = setUp()
    const second = createGeneration('second')
    first.state.underWay = 1
    generations.replace(second)
    generations.drain()
    await generations.close()
    expect(first.state.events).toContain('closed')
    expect(second.state.events).toEqual(['drained', 'closed'])
  })

  it('is waited for by the end of the gateway while it stores what it waits for', async () => {
    const { first, generations } = setUp()
    const stored = Promise.withResolvers<void>()
    const close = async (): Promise<void> => {
      first.state.events.push('closing')
      await stored.promise
      first.state.events.push('closed')
    }
    Object.assign(first, { close })
    generations.replace(createGeneration('second'))
    await waitFor(() => first.state.events.includes('closing'), { what: 'its end to begin' })
    const ended = generations.close().then(() => first.state.events.push('gateway closed'))
    setImmediate(stored.resolve)
    await ended
    expect(first.state.events.slice(-2)).toEqual(['closed', 'gateway closed'])
  })
})

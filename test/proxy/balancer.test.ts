import { describe, expect, test } from 'vitest'
import { type Balancer, createBalancer, type Member } from '../../src/proxy/balancer.ts'

function setUp(names: string[], draws: number[] = []) {
  const clock = { now: 1000 }
  const changes: string[] = []
  const queue = [...draws]
  const balancer = createBalancer(names, {
    now: () => clock.now,
    random: () => queue.shift() ?? 0,
    onChange: (name, change) => changes.push(`${name} ${change}`),
  })
  return { balancer, clock, changes }
}

function memberOf(balancer: Balancer<string>, name: string): Member<string> {
  return balancer.members.find(member => member.value === name)!
}

function fail(balancer: Balancer<string>, name: string, times: number): void {
  for (let time = 0; time < times; time += 1) balancer.report(memberOf(balancer, name), 'failed')
}

describe('choice', () => {
  test('takes the one of two drawn that has fewer requests in flight', () => {
    const { balancer } = setUp(['a', 'b', 'c'], [0, 0, 0, 0])
    expect(balancer.take([])?.value).toBe('a')
    expect(balancer.take([])?.value).toBe('b')
  })

  test('never draws the same one twice', () => {
    for (const second of [0, 0.49, 0.5, 0.99]) {
      const { balancer } = setUp(['a', 'b', 'c'], [0.5, second])
      memberOf(balancer, 'b').inFlight = 9
      expect(balancer.take([])?.value).not.toBe('b')
    }
  })

  test('offers none that was tried, and nothing when all were', () => {
    const { balancer } = setUp(['a', 'b'])
    const first = balancer.take([])!
    const second = balancer.take([first])!
    expect(second.value).not.toBe(first.value)
    expect(balancer.take([first, second])).toBeUndefined()
  })

  test('counts a request as in flight until it is released', () => {
    const { balancer } = setUp(['a'])
    const member = balancer.take([])!
    expect(member.inFlight).toBe(1)
    balancer.release(member)
    expect(member.inFlight).toBe(0)
  })
})

describe('ejection', () => {
  test('leaves an instance alone after five failures in a row', () => {
    const { balancer, changes } = setUp(['a', 'b'])
    fail(balancer, 'a', 4)
    expect(changes).toEqual([])
    fail(balancer, 'a', 1)
    expect(changes).toEqual(['a ejected'])
    expect([1, 2, 3].map(() => balancer.take([])?.value)).toEqual(['b', 'b', 'b'])
  })

  test('forgets failures at the first answer', () => {
    const { balancer, changes } = setUp(['a', 'b'])
    fail(balancer, 'a', 4)
    balancer.report(memberOf(balancer, 'a'), 'answered')
    fail(balancer, 'a', 4)
    expect(changes).toEqual([])
  })

  test.each([
    [['a'], 0],
    [['a', 'b'], 1],
    [['a', 'b', 'c'], 1],
    [['a', 'b', 'c', 'd'], 2],
  ])('of %j takes out no more than %i', (names, most) => {
    const { balancer, changes } = setUp(names)
    for (const name of names) fail(balancer, name, 9)
    expect(changes).toHaveLength(most)
  })

  test('offers an ejected instance where all others were tried', () => {
    const { balancer } = setUp(['a', 'b'])
    fail(balancer, 'a', 5)
    expect(balancer.take([memberOf(balancer, 'b')])?.value).toBe('a')
  })

  test('lets exactly one request try it when its time is over, and takes it back on success', () => {
    const { balancer, clock, changes } = setUp(['a', 'b'])
    fail(balancer, 'a', 5)
    clock.now += 10
    const trial = balancer.take([])!
    expect(trial.value).toBe('a')
    expect(balancer.take([])?.value).toBe('b')
    balancer.report(trial, 'answered')
    expect(changes).toEqual(['a ejected', 'a returned'])
  })

  test('leaves it alone for twice as long where the trial fails', () => {
    const { balancer, clock } = setUp(['a', 'b'])
    fail(balancer, 'a', 5)
    clock.now += 10
    balancer.report(balancer.take([])!, 'failed')
    clock.now += 19
    expect(balancer.take([])?.value).toBe('b')
    clock.now += 1
    expect(balancer.take([])?.value).toBe('a')
  })

  test('gives the trial to another request where the first came to no result', () => {
    const { balancer, clock } = setUp(['a', 'b'])
    fail(balancer, 'a', 5)
    clock.now += 10
    balancer.release(balancer.take([])!)
    expect(balancer.take([])?.value).toBe('a')
  })
})

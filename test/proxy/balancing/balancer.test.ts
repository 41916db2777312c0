import { describe, expect, test } from 'vitest'
import {
  type Balancer,
  createBalancer,
  type Member,
} from '../../../src/proxy/balancing/balancer.ts'

function setUp(names: string[], draws: number[] = [], room = { calls: 100, streams: 100 }) {
  const clock = { now: 1000 }
  const changes: string[] = []
  const queue = [...draws]
  const balancer = createBalancer(names, {
    now: () => clock.now,
    random: () => queue.shift() ?? 0,
    room,
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
    expect(balancer.take([], 'calls')?.value).toBe('a')
    expect(balancer.take([], 'calls')?.value).toBe('b')
  })

  test('never draws the same one twice', () => {
    for (const second of [0, 0.49, 0.5, 0.99]) {
      const { balancer } = setUp(['a', 'b', 'c'], [0.5, second])
      memberOf(balancer, 'b').calls = 9
      expect(balancer.take([], 'calls')?.value).not.toBe('b')
    }
  })

  test('offers none that was tried, and nothing when all were', () => {
    const { balancer } = setUp(['a', 'b'])
    const first = balancer.take([], 'calls')!
    const second = balancer.take([first], 'calls')!
    expect(second.value).not.toBe(first.value)
    expect(balancer.take([first, second], 'calls')).toBeUndefined()
  })

  test('counts a request as in flight until it is released', () => {
    const { balancer } = setUp(['a'])
    const member = balancer.take([], 'calls')!
    expect(member.calls).toBe(1)
    balancer.release(member, 'calls')
    expect(member.calls).toBe(0)
  })
})

describe('ejection', () => {
  test('leaves an instance alone after five failures in a row', () => {
    const { balancer, changes } = setUp(['a', 'b'])
    fail(balancer, 'a', 4)
    expect(changes).toEqual([])
    fail(balancer, 'a', 1)
    expect(changes).toEqual(['a ejected'])
    expect([1, 2, 3].map(() => balancer.take([], 'calls')?.value)).toEqual(['b', 'b', 'b'])
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
    expect(balancer.take([memberOf(balancer, 'b')], 'calls')?.value).toBe('a')
  })

  test('lets exactly one request try it when its time is over, and takes it back on success', () => {
    const { balancer, clock, changes } = setUp(['a', 'b'])
    fail(balancer, 'a', 5)
    clock.now += 10
    const trial = balancer.take([], 'calls')!
    expect(trial.value).toBe('a')
    expect(balancer.take([], 'calls')?.value).toBe('b')
    balancer.report(trial, 'answered')
    expect(changes).toEqual(['a ejected', 'a returned'])
  })

  test('leaves it alone for twice as long where the trial fails', () => {
    const { balancer, clock } = setUp(['a', 'b'])
    fail(balancer, 'a', 5)
    clock.now += 10
    balancer.report(balancer.take([], 'calls')!, 'failed')
    clock.now += 19
    expect(balancer.take([], 'calls')?.value).toBe('b')
    clock.now += 1
    expect(balancer.take([], 'calls')?.value).toBe('a')
  })

  test.each(['failed', 'broke off'])('is no longer where many requests %s together', how => {
    const { balancer, clock } = setUp(['a', 'b'])
    const member = memberOf(balancer, 'a')
    if (how === 'failed') fail(balancer, 'a', 64)
    else for (let time = 0; time < 64; time += 1) balancer.noteEnd(member, false)
    clock.now += 9
    expect(balancer.take([], 'calls')?.value).toBe('b')
    clock.now += 1
    expect(balancer.take([], 'calls')?.value).toBe('a')
  })

  test('gives the trial to another request where the first came to no result', () => {
    const { balancer, clock } = setUp(['a', 'b'])
    fail(balancer, 'a', 5)
    clock.now += 10
    balancer.release(balancer.take([], 'calls')!, 'calls')
    expect(balancer.take([], 'calls')?.value).toBe('a')
  })
})

describe('calls and streams', () => {
  test('are balanced each by their own kind', () => {
    const { balancer } = setUp(['a', 'b'])
    memberOf(balancer, 'a').streams = 50
    memberOf(balancer, 'b').calls = 1
    expect(balancer.take([], 'calls')?.value).toBe('a')
    expect(balancer.take([], 'streams')?.value).toBe('b')
  })

  test('have a room of their own at each instance', () => {
    const { balancer } = setUp(['a', 'b'], [], { calls: 1, streams: 2 })
    const streams = [1, 2, 3, 4, 5].map(() => balancer.take([], 'streams')?.value)
    expect(streams.toSorted()).toEqual(['a', 'a', 'b', 'b', undefined])
    expect(balancer.take([], 'calls')?.value).toBe('a')
    expect(balancer.take([], 'calls')?.value).toBe('b')
    expect(balancer.take([], 'calls')).toBeUndefined()
  })
})

describe('slow start', () => {
  /** How many of 1000 calls, none of which ends, go to `name`. */
  function shareOf(name: string, balancer: Balancer<string>): number {
    const taken = Array.from({ length: 1000 }, () => {
      const member = balancer.take([], 'calls')!
      balancer.release(member, 'calls')
      return member.value
    })
    return taken.filter(value => value === name).length / 1000
  }

  /** The same each time. */
  function createDraws(): number[] {
    let state = 1
    return Array.from({ length: 20_000 }, () => {
      state = (state * 48_271) % 2_147_483_647
      return state / 2_147_483_647
    })
  }

  test('gives an instance that has returned a tenth of its share, and all of it after 30 s', () => {
    const { balancer, clock } = setUp(['a', 'b'], createDraws())
    fail(balancer, 'a', 5)
    balancer.report(memberOf(balancer, 'a'), 'answered')
    expect(shareOf('a', balancer)).toBeLessThan(0.1)
    clock.now += 15
    balancer.tick()
    expect(shareOf('a', balancer)).toBeGreaterThan(0.15)
    clock.now += 15
    balancer.tick()
    expect(memberOf(balancer, 'a').warmingSince).toBeUndefined()
    expect(shareOf('a', balancer)).toBeGreaterThan(0.4)
  })

  test('gives an instance that is new little at first, but not where all are', () => {
    const { balancer } = setUp([], createDraws())
    balancer.add(['a', 'b'])
    expect(shareOf('b', balancer)).toBeGreaterThan(0.4)
    balancer.add(['c'])
    expect(shareOf('c', balancer)).toBeLessThan(0.1)
  })

  test('withholds nothing from an instance that is alone', () => {
    const { balancer } = setUp(['a', 'b'], createDraws())
    balancer.add(['c'])
    for (const name of ['a', 'b']) balancer.remove(name)
    expect(shareOf('c', balancer)).toBe(1)
  })
})

describe('instances that come and go', () => {
  test('get no more requests once they are gone, and what is under way there ends as usual', () => {
    const { balancer } = setUp(['a', 'b'])
    const member = memberOf(balancer, 'a')
    expect(balancer.take([], 'calls')).toBe(member)
    balancer.remove('a')
    expect([1, 2].map(() => balancer.take([], 'calls')?.value)).toEqual(['b', 'b'])
    balancer.release(member, 'calls')
    expect(member.calls).toBe(0)
  })

  test('count no more among the ejected once they are gone', () => {
    const { balancer, changes } = setUp(['a', 'b', 'c', 'd'])
    fail(balancer, 'a', 5)
    const gone = memberOf(balancer, 'a')
    balancer.remove('a')
    for (const report of ['failed', 'answered'] as const) balancer.report(gone, report)
    fail(balancer, 'b', 5)
    fail(balancer, 'c', 5)
    expect(changes).toEqual(['a ejected', 'b ejected'])
  })
})

describe('probes', () => {
  test('eject an instance that is dead three times in a row', () => {
    const { balancer, changes } = setUp(['a', 'b'])
    const member = memberOf(balancer, 'a')
    for (const times of [0, 0, 1]) {
      balancer.noteProbe(member, 'dead')
      expect(changes).toHaveLength(times)
    }
  })

  test('keep requests away for as long as they find it dead', () => {
    const { balancer, clock } = setUp(['a', 'b'])
    const member = memberOf(balancer, 'a')
    for (let time = 0; time < 20; time += 1) {
      balancer.noteProbe(member, 'dead')
      if (time > 2) expect(balancer.take([], 'calls')?.value).toBe('b')
      clock.now += 9
    }
  })

  test.each([
    ['open', 'unreachable', true],
    ['open', 'failed', false],
    ['answered', 'unreachable', true],
    ['answered', 'failed', true],
  ] as const)(
    'that find %s an instance whose requests were %s: it returns: %s',
    (finding, report, returns) => {
      const { balancer, changes } = setUp(['a', 'b'])
      const member = memberOf(balancer, 'a')
      for (let time = 0; time < 5; time += 1) balancer.report(member, report)
      balancer.noteProbe(member, finding)
      expect(changes).toEqual(returns ? ['a ejected', 'a returned'] : ['a ejected'])
    },
  )
})

describe('answers that break off', () => {
  function breakOff(balancer: Balancer<string>, times: number): void {
    const member = memberOf(balancer, 'a')
    for (let time = 0; time < times; time += 1) {
      balancer.report(member, 'answered')
      balancer.noteEnd(member, false)
    }
  }

  test('eject an instance after five without a whole one, although each began well', () => {
    const { balancer, changes } = setUp(['a', 'b'])
    breakOff(balancer, 4)
    balancer.noteEnd(memberOf(balancer, 'a'), true)
    breakOff(balancer, 4)
    expect(changes).toEqual([])
    breakOff(balancer, 1)
    expect(changes).toEqual(['a ejected'])
  })

  test('keep it out until one is whole, whatever begins or a probe says', () => {
    const { balancer, changes, clock } = setUp(['a', 'b'])
    breakOff(balancer, 5)
    const member = memberOf(balancer, 'a')
    balancer.noteProbe(member, 'answered')
    clock.now += 10
    expect(balancer.take([], 'calls')?.value).toBe('a')
    balancer.report(member, 'answered')
    expect(balancer.take([], 'calls')?.value).toBe('b')
    expect(changes).toEqual(['a ejected'])
    balancer.noteEnd(member, true)
    expect(changes).toEqual(['a ejected', 'a returned'])
  })

  test('keep it out for longer where the trial brings no answer at all', () => {
    const { balancer, clock } = setUp(['a', 'b'])
    breakOff(balancer, 5)
    clock.now += 10
    const trial = balancer.take([], 'calls')!
    expect(trial.value).toBe('a')
    // In the order in which a call says so.
    balancer.release(trial, 'calls')
    balancer.report(trial, 'failed')
    expect(balancer.take([], 'calls')?.value).toBe('b')
  })

  test('are forgotten when it cannot be reached: what comes back is another process', () => {
    const { balancer, changes } = setUp(['a', 'b'])
    breakOff(balancer, 5)
    balancer.report(memberOf(balancer, 'a'), 'unreachable')
    balancer.noteProbe(memberOf(balancer, 'a'), 'open')
    expect(changes).toEqual(['a ejected', 'a returned'])
  })

  test('do not make a whole 503 into a good answer', () => {
    const { balancer, changes } = setUp(['a', 'b'])
    const member = memberOf(balancer, 'a')
    for (let time = 0; time < 9; time += 1) {
      balancer.report(member, 'failed')
      balancer.noteEnd(member, true)
    }
    expect(changes).toEqual(['a ejected'])
  })
})

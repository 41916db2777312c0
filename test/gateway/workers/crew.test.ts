import { fork } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createCrew } from '../../../src/gateway/workers/crew.ts'
import { createLogger } from '../../../src/observability/log.ts'
import { waitFor } from '../../support/wait-for.ts'

/** `unborn`: the system starts no process. */
type Behaviour = 'serves' | 'dies' | 'fails' | 'hangs' | 'unborn'

/** A crew of real processes. @param behave what the worker of that number does */
function setUp(behave: (id: number) => Behaviour, { count = 2, watchMs = 60_000 } = {}) {
  const lines: Record<string, unknown>[] = []
  const lost: number[] = []
  const forked: number[] = []
  const logger = createLogger('info', { write: text => void lines.push(JSON.parse(text)) })
  const crew = createCrew({
    ...{ count, logger, watchMs, onLoss: id => lost.push(id) },
    fork: id => {
      forked.push(id)
      const behaviour = behave(id)
      return fork(join(import.meta.dirname, 'member-process.mjs'), [behaviour], {
        execArgv: [],
        ...(behaviour === 'unborn' && { execPath: '/no/such/program' }),
      })
    },
    instructions: () => ({ kind: 'start', file: 'gateway.config.yaml', files: [] }),
  })
  onTestFinished(crew.kill)
  const ids = () => crew.serving().map(({ id }) => id)
  return { crew, ids, lines, lost, forked }
}

describe('the workers', () => {
  it('have started when all serve, and are gone when they have drained', async () => {
    const { crew, ids, lost } = setUp(() => 'serves')
    await crew.start()
    expect(ids()).toEqual([1, 2])
    await crew.drain(10_000)
    expect(ids()).toEqual([])
    expect(lost).toEqual([])
  })

  it('are given up when one after the other dies before all have served, and none is left', async () => {
    const { crew, ids, forked, lines } = setUp(id => (id === 1 ? 'serves' : 'dies'))
    await expect(crew.start()).rejects.toThrow(
      'no worker stays alive: the last ended with exit code 7',
    )
    expect(forked).toEqual([1, 2, 3, 4])
    expect(ids()).toEqual([])
    expect(lines.filter(({ msg }) => msg === 'worker lost; it is replaced')).toHaveLength(2)
  })

  it('are given up at once when one says why it cannot serve', async () => {
    const { crew, forked } = setUp(() => 'fails')
    await expect(crew.start()).rejects.toMatchObject({
      message: 'the workers cannot serve: no such address',
      exitCode: 1,
    })
    expect(forked).toEqual([1, 2])
  })

  it('are replaced for as long as it takes once all have served', async () => {
    const { crew, ids, lost } = setUp(id => (id > 2 && id < 6 ? 'dies' : 'serves'))
    await crew.start()
    crew.serving()[0]?.kill()
    await waitFor(() => ids().includes(6), { what: 'one that stays', timeoutMs: 15_000 })
    expect(ids()).toEqual([2, 6])
    expect(lost).toEqual([1, 3, 4, 5])
  })

  it('are given up at once when the system starts none', async () => {
    const { crew, forked } = setUp(() => 'unborn')
    await expect(crew.start()).rejects.toThrow('the workers cannot serve: spawn /no/such/program')
    expect(forked).toEqual([1, 2])
  })

  it('are replaced when the system does not start one, and drain without it', async () => {
    const { crew, ids, lost, lines } = setUp(id => (id > 2 && id < 5 ? 'unborn' : 'serves'))
    await crew.start()
    crew.serving()[0]?.kill()
    await waitFor(() => ids().includes(5), { what: 'one that is started', timeoutMs: 15_000 })
    expect(lost).toEqual([1, 3, 4])
    expect(lines.filter(({ msg }) => msg === 'worker cannot serve')).toEqual([
      expect.objectContaining({ worker: 3, failure: expect.stringContaining('ENOENT') }),
      expect.objectContaining({ worker: 4 }),
    ])
    await crew.drain(10_000)
    expect(ids()).toEqual([])
  })

  it('are killed and replaced when they do not answer', async () => {
    const { crew, ids, lines } = setUp(id => (id === 1 ? 'hangs' : 'serves'), { watchMs: 2500 })
    await crew.start()
    await waitFor(() => ids().includes(3), { what: 'a worker in its place', timeoutMs: 15_000 })
    expect(ids()).toEqual([2, 3])
    expect(lines.filter(({ msg }) => msg === 'worker does not answer; it is killed')).toEqual([
      expect.objectContaining({ worker: 1 }),
    ])
  })

  it('are killed at the deadline of a drain that they do not follow', async () => {
    const { crew, ids } = setUp(id => (id === 1 ? 'hangs' : 'serves'))
    await crew.start()
    await crew.drain(1000)
    expect(ids()).toEqual([])
  })

  it('answer nothing that they are asked while they hang, and whoever asks is told in time', async () => {
    const { crew } = setUp(() => 'hangs', { count: 1 })
    await crew.start()
    const [member] = crew.serving()
    const question = { kind: 'ops', method: 'GET', path: '/livez', headers: [] } as const
    const ask = () => member!.ask({ ...question, headers: [] }, 300)
    await waitFor(
      () =>
        ask().then(
          () => false,
          () => true,
        ),
      { what: 'no answer' },
    )
    await expect(ask()).rejects.toThrow('worker 1 has not answered within 300 ms')
    const ended = expect(member!.ask({ ...question, headers: [] }, 30_000)).rejects
    member!.kill()
    await ended.toThrow('worker 1 has ended')
  })
})

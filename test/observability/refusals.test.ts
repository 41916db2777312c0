import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { createLogger } from '../../src/observability/log.ts'
import { createRefusalNote } from '../../src/observability/refusals.ts'

describe('what a listener refuses', () => {
  it('is counted each time, and is one line for each reason in ten seconds, which says how many there were', () => {
    const lines: Record<string, unknown>[] = []
    const sink = new Writable({
      write(chunk, _encoding, done) {
        lines.push(JSON.parse(String(chunk)))
        done()
      },
    })
    const counted: string[] = []
    let now = 0
    const note = createRefusalNote(
      createLogger('info', sink),
      reason => counted.push(reason),
      () => now,
    )
    for (let times = 0; times < 5; times += 1) note('host')
    note('slow_body')
    now = 9_999
    note('host')
    now = 10_000
    note('host')
    expect(counted).toHaveLength(8)
    expect(lines.map(({ level, reason, refused }) => [level, reason, refused])).toEqual([
      ['info', 'host', 1],
      ['info', 'slow_body', 1],
      ['info', 'host', 6],
    ])
  })
})

import { fork } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createCrew } from '../../../src/gateway/workers/crew.ts'
import { createCrewOps } from '../../../src/gateway/workers/ops.ts'
import { createLogger } from '../../../src/observability/log.ts'
import { waitFor } from '../../support/wait-for.ts'

/** After which whoever asks for readiness takes it for a no: `timeoutSeconds` of the chart's probe. */
const PROBE_TIMEOUT_MS = 3000

describe('the readiness of a crew', () => {
  it('is told while there is still somebody who waits for it, though one worker hangs', async () => {
    const crew = createCrew({
      ...{ count: 2, logger: createLogger('silent'), watchMs: 60_000, onLoss: () => {} },
      fork: id =>
        fork(join(import.meta.dirname, 'member-process.mjs'), [id === 1 ? 'hangs' : 'serves'], {
          execArgv: [],
        }),
      instructions: () => ({ kind: 'start', file: 'gateway.config.yaml', files: [] }),
    })
    onTestFinished(crew.kill)
    await crew.start()
    const question = { kind: 'ops', method: 'GET', path: '/livez', headers: [] } as const
    const hung = crew.serving().find(({ id }) => id === 1)
    const isSilent = () =>
      hung?.ask({ ...question, headers: [] }, 300).then(
        () => false,
        () => true,
      )
    await waitFor(async () => isSilent(), { what: 'no answer' })
    const askedAt = performance.now()
    await expect(createCrewOps(crew.serving).isStoreReachable()).resolves.toBe(true)
    expect(performance.now() - askedAt).toBeLessThan(PROBE_TIMEOUT_MS)
  })
})

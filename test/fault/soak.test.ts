import { expect, it } from 'vitest'
import { runSoak } from './soak-run.ts'
import { judgeSoak } from './soak-verdict.ts'

it('logs nobody out, and asks the IdP once for each token, while replicas come and go', async () => {
  const report = await runSoak({
    grants: 40,
    minutes: 0.75,
    replicas: 3,
    restartSeconds: 10,
    tokenSeconds: 15,
  })
  expect(report.restarts).toBeGreaterThanOrEqual(3)
  expect(judgeSoak(report).filter(({ isKept }) => !isKept)).toEqual([])
}, 120_000)

import { defineConfig } from 'vitest/config'

const kinds = ['unit', 'store', 'flow', 'browser', 'fault', 'conformance'] as const

const folders: Record<(typeof kinds)[number], string[]> = {
  unit: [
    'test/{domain,config,proxy,resource-server,http,upstream,authorization-server,observability,gateway,cli,dev,docs,house,support}/**/*.test.ts',
  ],
  store: ['test/store/**/*.test.ts'],
  flow: ['test/{flow,deploy}/**/*.test.ts'],
  browser: ['test/browser/**/*.test.ts'],
  fault: ['test/fault/**/*.test.ts'],
  conformance: ['test/conformance/**/*.test.ts'],
}

export default defineConfig({
  test: {
    testTimeout: 20_000,
    hookTimeout: 30_000,
    expect: { poll: { timeout: 5000, interval: 10 } },
    maxWorkers: 2,
    projects: kinds.map(kind => ({ extends: true, test: { name: kind, include: folders[kind] } })),
  },
})

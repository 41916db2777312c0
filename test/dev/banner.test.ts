import { describe, expect, it } from 'vitest'
import { renderBanner } from '../../src/dev/banner.ts'

const DATA = {
  publicUrl: 'http://localhost:8080',
  opsUrl: 'http://127.0.0.1:9090',
  idpUrl: 'http://127.0.0.1:9091',
  endpoints: [{ name: 'mine', url: 'http://localhost:8080/mine/mcp' }],
}

describe('the banner', () => {
  it('offers the demo where the sample backends run whose tools it calls', () => {
    const samples = ['http://127.0.0.1:9101/mcp']
    expect(renderBanner({ ...DATA, samples })).toContain('\n    npm run demo\n\n  Stop')
  })

  it('does not where the backends are somebody’s own', () => {
    const text = renderBanner({ ...DATA, samples: [] })
    expect(text).toContain('Backends        your own')
    expect(text).not.toContain('npm run demo')
    expect(text).toMatch(/mine\/mcp\n\n {2}Stop with Ctrl-C/)
  })
})

import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { examinePublicUrl, judgeExpiry } from '../../src/cli/doctor/public-url.ts'
import { judgeSkew } from '../../src/cli/doctor/upstream.ts'
import { createCertificate } from '../support/upstreams/certificate.ts'

describe('clocks', () => {
  it.each([
    [0.4, 'ok', 'ahead of Redis'],
    [-3, 'ok', 'behind Redis'],
    [20, 'warn', '20.0 s ahead of Redis'],
    [-60, 'warn', '60.0 s behind Redis'],
    [91, 'fail', '91.0 s ahead of Redis'],
  ])('that differ by %d s are judged %s', (seconds, level, text) => {
    const finding = judgeSkew('Redis', seconds)
    expect(finding.level).toBe(level)
    expect(finding.what).toContain(text)
    expect(finding.fix === undefined).toBe(level === 'ok')
  })
})

describe('the certificate of publicUrl', () => {
  it('that clients cannot trust is a failure with its reason, beside what it keeps from being asked', async () => {
    const { key, certificate } = createCertificate()
    const server = createServer({ key, cert: certificate })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    const now = () => 1_800_000_000
    const findings = await examinePublicUrl(`https://localhost:${port}`, ['/crm/mcp'], now)
    expect(findings.map(({ level }) => level)).toEqual(['fail', 'fail'])
    expect(findings[0]?.what).toMatch(/^TLS to localhost: .*(CERT|SELF_SIGNED|UNABLE_TO_VERIFY)/i)
    expect(findings[0]?.fix).toContain('intermediates')
  })

  it.each([
    [14.9, 'warn', 'ends in 14 days'],
    [15, 'ok', 'ends in 15 days'],
  ])('that ends in %d days is judged %s', (days, level, text) => {
    const now = Date.parse('Jan  1 00:00:00 2027 GMT') / 1000 - days * 24 * 3600
    const finding = judgeExpiry('mcp.example.com', 'Jan  1 00:00:00 2027 GMT', now)
    expect(finding.level).toBe(level)
    expect(finding.what).toContain(text)
  })
})

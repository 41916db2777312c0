import { describe, expect, test } from 'vitest'
import { GOOD_TOKEN, RawClient, startBackend, startGateway } from './support.ts'

describe('only the exact endpoint path reaches a backend', () => {
  test.each([
    ...['/crm/mcp/', '//crm/mcp', '/crm//mcp', '/./crm/mcp', '/crm/./mcp', '/x/../crm/mcp'],
    ...['/crm/mcp/..', '/crm/mcp/../admin', '/crm/mcp/%2e%2e/admin', '/crm%2fmcp', '/crm%2Fmcp'],
    ...['/crm\\mcp', '/crm%5cmcp', '/CRM/mcp', '/crm/mcp;a=1', '/crm/mcp%00', '/crm/mcp%20'],
    ...['/crm/mcp/admin', '/crm', '/%63rm/mcp', 'http://mcp.example.com/crm/mcp', '*', 'crm/mcp'],
    ...['/crm/mcp#', '//evil.example/crm/mcp'],
  ])('not %s', async target => {
    const backend = await startBackend()
    const gateway = await startGateway({ instances: [backend.url] })
    const client = new RawClient(gateway.port)
    client.send(
      ...[
        `POST ${target} HTTP/1.1`,
        'Host: mcp.example.com',
        `Authorization: Bearer ${GOOD_TOKEN}`,
      ],
      ...['Connection: close', 'Content-Length: 0', '', ''],
    )
    await client.closed
    expect(client.received).toMatch(/^HTTP\/1\.1 (404|400) /)
    expect(backend.seen).toEqual([])
  })
})

import { describe, expect, test } from 'vitest'
import { ask, startBackend, startGateway } from './support.ts'

const BROWSER = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
const PAGE = { html: '<!doctype html><p>Größe', headers: { 'Content-Type': 'text/html' } }

async function setUp() {
  const backend = await startBackend()
  const renderConnect = ({ name, resource }: { name: string; resource: string }) => ({
    ...PAGE,
    html: `${PAGE.html} ${name} ${resource}`,
  })
  return startGateway({ instances: [backend.url], proxy: { renderConnect } })
}

describe('an MCP endpoint that is opened in a browser', () => {
  test('shows how to connect, with the status and the challenge that everybody gets', async () => {
    const gateway = await setUp()
    const reply = await ask(gateway, { method: 'GET', headers: BROWSER, token: null })
    expect(reply.status).toBe(401)
    expect(Buffer.from(reply.body, 'latin1').toString()).toBe(
      '<!doctype html><p>Größe crm https://mcp.example.com/crm/mcp',
    )
    const plain = await ask(gateway, { method: 'GET', token: null })
    expect(reply.headers['www-authenticate']).toBe(plain.headers['www-authenticate'])
    expect(reply.headers).toMatchObject({ 'content-type': 'text/html', vary: 'Accept' })
  })

  test.each([
    ['a client that listens', { method: 'GET', headers: { accept: 'text/event-stream' } }],
    ['a client that takes anything', { method: 'GET', headers: { accept: '*/*' } }],
    ['a client that does not say', { method: 'GET' }],
    [
      'a client that takes pages too',
      { method: 'GET', headers: { accept: 'application/json, text/event-stream, text/html' } },
    ],
    ['a message', { method: 'POST', headers: BROWSER }],
    ['a token that is not good', { method: 'GET', headers: BROWSER, token: 'bad' }],
  ])('is an ordinary 401 to %s', async (_, request) => {
    const gateway = await setUp()
    const reply = await ask(gateway, { token: null, ...request })
    expect(reply.status).toBe(401)
    expect(reply.headers['content-type']).toBe('application/json')
  })
})

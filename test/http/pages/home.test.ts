import { describe, expect, it } from 'vitest'
import { CLIENT_GUIDES } from '../../../src/http/pages/clients.ts'
import { renderConnect } from '../../../src/http/pages/connect.ts'
import { renderHome } from '../../../src/http/pages/home.ts'

const publicUrl = 'https://mcp.example.com'
const crm = { name: 'CRM <1>', url: `${publicUrl}/crm/mcp`, description: 'Deals & contacts' }
const wiki = { name: 'Wiki', url: `${publicUrl}/wiki/mcp` }

describe('home page', () => {
  it('lists every endpoint with its address, escaped', () => {
    const { html } = renderHome({ publicUrl, endpoints: [crm, wiki] })
    for (const { url } of [crm, wiki]) expect(html).toContain(`<code class="copy">${url}</code>`)
    expect(html).toContain('CRM &lt;1&gt;')
    expect(html).toContain('Deals &amp; contacts')
  })

  it('opens the guides of the only endpoint, and of none among several', () => {
    const open = (endpoints: (typeof crm | typeof wiki)[]) =>
      renderHome({ publicUrl, endpoints }).html.match(/<details class="connect" open>/g)?.length ??
      0
    expect(open([crm])).toBe(1)
    expect(open([crm, wiki])).toBe(0)
  })

  it('says so where there is no endpoint', () => {
    expect(renderHome({ publicUrl, endpoints: [] }).html).toContain(
      'No MCP server is configured yet.',
    )
  })
})

describe('connect page', () => {
  it('explains every known client', () => {
    const { html } = renderConnect({ publicUrl, endpoint: wiki })
    for (const { label } of CLIENT_GUIDES) expect(html).toContain(`<summary>${label}</summary>`)
    expect(html).toContain('claude mcp add --transport http wiki https://mcp.example.com/wiki/mcp')
  })

  it('does not send a hosted client to an address on this computer', () => {
    const url = 'http://127.0.0.1:8080/wiki/mcp'
    const { html } = renderConnect({
      publicUrl: 'http://127.0.0.1:8080',
      endpoint: { name: 'Wiki', url },
    })
    expect(html).toContain('ChatGPT connects over the internet and cannot reach')
    expect(html).not.toContain('turn on Developer mode')
    expect(html).toContain(`claude mcp add --transport http wiki ${url}`)
  })
})

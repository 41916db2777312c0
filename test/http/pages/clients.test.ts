import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { CLIENT_GUIDES, nameForClients, quoteForShell } from '../../../src/http/pages/clients.ts'

const CRM = { name: 'Customer Relations', url: 'https://mcp.example.com/crm/mcp' }
const ODD = { name: '$(touch x)', url: "https://mcp.example.com/it's/mcp?a=b&c" }

function parts(id: string, endpoint = CRM) {
  const guide = CLIENT_GUIDES.find(candidate => candidate.id === id)
  if (!guide) throw new Error(`no guide for ${id}`)
  return guide.steps(endpoint).flat()
}

const copied = (id: string, endpoint = CRM) =>
  parts(id, endpoint).flatMap(part => (part.kind === 'copy' ? [part.content] : []))

const links = (id: string, endpoint = CRM) =>
  parts(id, endpoint).flatMap(part => (part.kind === 'link' ? [part.href] : []))

describe('what a person copies into each client', () => {
  it.each([
    ['claude', [CRM.url]],
    ['claude-code', [`claude mcp add --transport http customer-relations ${CRM.url}`]],
    ['chatgpt', [CRM.url]],
    [
      'cursor',
      [
        '{\n  "mcpServers": {\n    "customer-relations": {\n      "url": "https://mcp.example.com/crm/mcp"\n    }\n  }\n}',
      ],
    ],
    [
      'vscode',
      [
        `code --add-mcp '{"name":"customer-relations","type":"http","url":"https://mcp.example.com/crm/mcp"}'`,
      ],
    ],
    [
      'codex',
      [`codex mcp add customer-relations --url ${CRM.url}`, 'codex mcp login customer-relations'],
    ],
    [
      'stdio',
      [
        '{\n  "mcpServers": {\n    "customer-relations": {\n      "command": "npx",\n      "args": [\n        "-y",\n        "mcp-remote",\n        "https://mcp.example.com/crm/mcp"\n      ]\n    }\n  }\n}',
        `npx -y mcp-remote ${CRM.url}`,
      ],
    ],
    [
      'inspector',
      [`npx -y @modelcontextprotocol/inspector@latest --transport http --server-url ${CRM.url}`],
    ],
  ])('%s', (id, expected) => {
    expect(copied(id)).toEqual(expected)
  })

  it('covers every client of the table', () => {
    expect(CLIENT_GUIDES.map(({ id }) => id)).toEqual([
      'claude',
      'claude-code',
      'chatgpt',
      'cursor',
      'vscode',
      'codex',
      'stdio',
      'inspector',
    ])
  })
})

describe('links that a client opens', () => {
  it('Cursor gets the name and the server as base64 JSON', () => {
    expect(links('cursor')).toEqual([
      'cursor://anysphere.cursor-deeplink/mcp/install?name=customer-relations&config=eyJ1cmwiOiJodHRwczovL21jcC5leGFtcGxlLmNvbS9jcm0vbWNwIn0%3D',
    ])
  })

  it('VS Code gets one JSON object', () => {
    expect(links('vscode')).toEqual([
      'vscode:mcp/install?%7B%22name%22%3A%22customer-relations%22%2C%22type%22%3A%22http%22%2C%22url%22%3A%22https%3A%2F%2Fmcp.example.com%2Fcrm%2Fmcp%22%7D',
    ])
  })

  it('carry an odd address unharmed', () => {
    const config = new URL(links('cursor', ODD)[0] ?? '').searchParams.get('config') ?? ''
    expect(JSON.parse(Buffer.from(config, 'base64').toString())).toEqual({ url: ODD.url })
    const server = decodeURIComponent((links('vscode', ODD)[0] ?? '').split('?')[1] ?? '')
    expect(JSON.parse(server)).toEqual({ name: 'touch-x', type: 'http', url: ODD.url })
  })
})

describe('the name that clients and shells take', () => {
  it.each([
    ['CRM', 'crm'],
    ['Tickets & incidents (Europe)', 'tickets-incidents-europe'],
    ['Übersicht façade', 'ubersicht-facade'],
    ['--transport', 'transport'],
    ['$(rm -rf ~); `x`', 'rm-rf-x'],
    ['顧客管理', 'mcp'],
    ['', 'mcp'],
    [`${'a'.repeat(39)} b`, 'a'.repeat(39)],
  ])('%s', (name, slug) => {
    expect(nameForClients({ name })).toBe(slug)
  })
})

describe('a shell argument', () => {
  it.each([
    'https://mcp.example.com/crm/mcp',
    "it's",
    '$HOME `id` $(id) \\ "x"',
    'http://[::1]:8080/mcp',
    'a b\tc\nd',
    "''",
    '*?~!#&;|<>(){}',
    '~',
    '',
  ])('reaches the program as it is: %j', argument => {
    const printed = execFileSync('sh', ['-c', `printf %s ${quoteForShell(argument)}`])
    expect(printed.toString()).toBe(argument)
  })

  it('is left bare where it needs no quotes', () => {
    expect(quoteForShell(CRM.url)).toBe(CRM.url)
  })

  it('is quoted in every command of an odd endpoint', () => {
    for (const id of ['claude-code', 'codex', 'inspector']) {
      expect(copied(id, ODD)[0]).toContain(`'https://mcp.example.com/it'\\''s/mcp?a=b&c'`)
    }
  })
})

/**
 * What is known about MCP clients: how a person adds a remote server to each. A new client is one more entry of the table.
 */

/** An MCP endpoint of ours: what people call it, and its resource URL. */
export type McpEndpoint = { name: string; url: string }

/**
 * - `text`: something to do in the client.
 * - `copy`: a line for a POSIX shell, the content of a file, or an address, to be copied as it is.
 * - `link`: a link that the client itself opens.
 */
export type Part =
  | { kind: 'text'; text: string }
  | { kind: 'copy'; text: string; content: string }
  | { kind: 'link'; text: string; href: string }

/** One thing to do; where it has more than one part, the later ones say how else it can be done. */
export type Step = readonly Part[]

export type ClientGuide = {
  id: string
  label: string
  /** A hosted client calls from its vendor's network, a local one from the reader's computer. */
  runs: 'hosted' | 'local'
  steps: (endpoint: McpEndpoint) => Step[]
}

export const CLIENT_GUIDES: readonly ClientGuide[] = [
  {
    id: 'claude',
    label: 'Claude',
    runs: 'hosted',
    steps: ({ name, url }) => [
      [text('Open Customize → Connectors (in some versions Settings → Connectors).')],
      [
        text(
          'Press +, then Add custom connector. In a Team or Enterprise plan an owner does this once, under Organization settings → Connectors.',
        ),
      ],
      [copy(`Name it “${name}”, with this address; leave the advanced settings empty:`, url)],
      [text('Press Add, then Connect, and sign in.')],
    ],
  },
  {
    id: 'claude-code',
    label: 'Claude Code',
    runs: 'local',
    steps: endpoint => [
      [
        copy(
          'In a terminal:',
          `claude mcp add --transport http ${nameForClients(endpoint)} ${quoteForShell(endpoint.url)}`,
        ),
      ],
      [text(`Start claude, type /mcp, choose ${nameForClients(endpoint)}, and sign in.`)],
    ],
  },
  {
    id: 'chatgpt',
    label: 'ChatGPT',
    runs: 'hosted',
    steps: ({ name, url }) => [
      [
        text(
          'On the web, turn on Developer mode: Settings → Apps → Advanced settings (in some accounts Settings → Security and login). In a company workspace an administrator has to permit it.',
        ),
      ],
      [text('In Settings → Apps, press Create app.')],
      [copy(`Name it “${name}”, choose OAuth, and give this as MCP server URL:`, url)],
      [text('Press Create and sign in.')],
    ],
  },
  {
    id: 'cursor',
    label: 'Cursor',
    runs: 'local',
    steps: endpoint => [
      [
        link('Add to Cursor', cursorLink(endpoint)),
        copy('Or add this to ~/.cursor/mcp.json:', mcpServersFile(endpoint)),
      ],
      [text('In the MCP settings, press the sign-in button beside the server.')],
    ],
  },
  {
    id: 'vscode',
    label: 'VS Code',
    runs: 'local',
    steps: endpoint => [
      [
        link('Add to VS Code', vscodeLink(endpoint)),
        copy('Or in a terminal:', `code --add-mcp ${quoteForShell(vscodeServer(endpoint))}`),
      ],
      [text('Start the server when VS Code offers it, and sign in.')],
    ],
  },
  {
    id: 'codex',
    label: 'Codex',
    runs: 'local',
    steps: endpoint => [
      [
        copy(
          'In a terminal:',
          `codex mcp add ${nameForClients(endpoint)} --url ${quoteForShell(endpoint.url)}`,
        ),
      ],
      [copy('If no browser opens by itself:', `codex mcp login ${nameForClients(endpoint)}`)],
    ],
  },
  {
    id: 'stdio',
    label: 'Apps that only start local servers',
    runs: 'local',
    steps: endpoint => [
      [
        copy(
          'With Node.js installed, the mcp-remote package stands in between. In the app’s MCP configuration:',
          stdioBridgeFile(endpoint),
        ),
        copy(
          'Where the app asks for a command:',
          `npx -y mcp-remote ${quoteForShell(endpoint.url)}`,
        ),
      ],
      [text('A browser opens when the app starts it. Sign in there.')],
    ],
  },
  {
    id: 'inspector',
    label: 'MCP Inspector',
    runs: 'local',
    steps: ({ url }) => [
      [
        // With `@latest`: without it, an older Node.js gets an old version that ignores the address.
        copy(
          'In a terminal:',
          `npx -y @modelcontextprotocol/inspector@latest --transport http --server-url ${quoteForShell(url)}`,
        ),
      ],
      [text('In the page that opens, switch the server on, and sign in.')],
    ],
  },
]

/**
 * The endpoint's name as every client and shell takes it: `a-z`, `0-9` and single hyphens inside, at most 40 characters, never empty.
 * Two names may give the same one.
 */
export function nameForClients({ name }: Pick<McpEndpoint, 'name'>): string {
  const slug = name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replace(/^-|-$/g, '')
  return slug === '' ? 'mcp' : slug
}

const SAFE_IN_SHELL = /^[\w/:.,@%+=-]+$/

/** One argument of a POSIX shell, quoted only where it must be. */
export function quoteForShell(argument: string): string {
  return SAFE_IN_SHELL.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`
}

function text(words: string): Part {
  return { kind: 'text', text: words }
}

function copy(words: string, content: string): Part {
  return { kind: 'copy', text: words, content }
}

function link(words: string, href: string): Part {
  return { kind: 'link', text: words, href }
}

/** @see https://cursor.com/docs/mcp/install-links */
function cursorLink(endpoint: McpEndpoint): string {
  const server = Buffer.from(JSON.stringify({ url: endpoint.url })).toString('base64')
  return `cursor://anysphere.cursor-deeplink/mcp/install?name=${nameForClients(endpoint)}&config=${encodeURIComponent(server)}`
}

function mcpServersFile(endpoint: McpEndpoint): string {
  return indented({ mcpServers: { [nameForClients(endpoint)]: { url: endpoint.url } } })
}

/** @see https://code.visualstudio.com/docs/copilot/guides/mcp-developer-guide */
function vscodeLink(endpoint: McpEndpoint): string {
  return `vscode:mcp/install?${encodeURIComponent(vscodeServer(endpoint))}`
}

function vscodeServer(endpoint: McpEndpoint): string {
  return JSON.stringify({ name: nameForClients(endpoint), type: 'http', url: endpoint.url })
}

function stdioBridgeFile(endpoint: McpEndpoint): string {
  const bridge = { command: 'npx', args: ['-y', 'mcp-remote', endpoint.url] }
  return indented({ mcpServers: { [nameForClients(endpoint)]: bridge } })
}

function indented(value: unknown): string {
  return JSON.stringify(value, undefined, 2)
}

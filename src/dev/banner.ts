export type BannerData = {
  publicUrl: string
  opsUrl: string
  idpUrl: string
  endpoints: readonly { name: string; url: string }[]
  /** URLs of the sample backends that run. */
  samples: readonly string[]
}

/** Only where there are sample backends: it calls their tools. */
const DEMO = `
  Or watch the whole flow in this repository, in another terminal:

    npm run demo
`

/** What a newcomer reads after the start: what runs where, and what to type next. Commands are on lines of their own, to be copied. */
export function renderBanner({
  publicUrl,
  opsUrl,
  idpUrl,
  endpoints,
  samples,
}: BannerData): string {
  const [first = { name: 'demo', url: publicUrl }] = endpoints
  return `
  mcp-auth-gateway is running, for development: nothing is kept, anybody may sign in.

    MCP endpoint    ${endpoints.map(({ url }) => url).join('\n                    ')}
    How to connect  ${publicUrl}
    Sign-in         ${idpUrl}  (embedded; choose a sample user, no password)
    Backends        ${samples.join('\n                    ') || 'your own'}
    Health          ${opsUrl}/readyz

  Connect a client. It opens a browser: approve, choose a user, done.

    Claude Code     claude mcp add --transport http ${first.name} ${first.url}
    MCP Inspector   npx -y @modelcontextprotocol/inspector@latest --transport http --server-url ${first.url}
    Any stdio app   npx -y mcp-remote ${first.url}
${samples.length > 0 ? DEMO : ''}
  Stop with Ctrl-C.

`
}

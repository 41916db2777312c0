import { html } from 'hono/html'
import type { McpEndpoint } from './clients.ts'
import { renderGuides } from './guides.ts'
import { type Markup, type Page, renderPage } from './layout.ts'

export type HomeData = {
  publicUrl: string
  endpoints: readonly (McpEndpoint & { description?: string })[]
}

/** The page at `/`: what this is, which MCP endpoints there are, and how a client is connected to each. */
export function renderHome({ publicUrl, endpoints }: HomeData): Page {
  const alone = endpoints.length === 1
  return renderPage(
    { title: `MCP servers at ${new URL(publicUrl).host}`, publicUrl },
    html`<h1>Connect your AI apps to your company’s tools</h1>
<p class="lede">${alone ? 'This address is' : 'These addresses are'} for apps that speak the Model Context Protocol (MCP).
Add ${alone ? 'it' : 'one'} to your app, sign in once with your company account, and the app can use the tools behind it as you.</p>
${endpoints.length === 0 && html`<p class="endpoint">No MCP server is configured yet.</p>`}
${endpoints.map((endpoint, index) => section(endpoint, `endpoint-${index + 1}`, alone))}`,
  )
}

function section(endpoint: HomeData['endpoints'][number], id: string, open: boolean): Markup {
  const { name, url, description } = endpoint
  return html`<section class="endpoint" aria-labelledby="${id}">
<h2 id="${id}">${name}</h2>
${description !== undefined && html`<p class="note">${description}</p>`}
<code class="copy">${url}</code>
<details class="connect"${open && html` open`}>
<summary>How to connect</summary>
${renderGuides(endpoint)}
</details>
</section>`
}

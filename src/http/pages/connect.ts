import { html } from 'hono/html'
import type { McpEndpoint } from './clients.ts'
import { renderGuides } from './guides.ts'
import { type Page, renderPage } from './layout.ts'

export type ConnectData = { publicUrl: string; endpoint: McpEndpoint }

/** How each known client is connected to one MCP endpoint. */
export function renderConnect({ publicUrl, endpoint }: ConnectData): Page {
  return renderPage(
    { title: `Connect to ${endpoint.name}`, publicUrl },
    html`<h1>Connect to ${endpoint.name}</h1>
<p class="lede">Add this address to your app. It will open a browser, where you approve it and sign in with your company account.</p>
<code class="copy">${endpoint.url}</code>
${renderGuides(endpoint)}
<p class="note after">Another app? If it can add a remote MCP server by its address, the address above is all it needs: no key and no client id.</p>`,
  )
}

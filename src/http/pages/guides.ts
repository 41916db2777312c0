import { html } from 'hono/html'
import { isLoopbackHost } from '../../domain/redirect-uri.ts'
import {
  CLIENT_GUIDES,
  type ClientGuide,
  type McpEndpoint,
  type Part,
  type Step,
} from './clients.ts'
import type { Markup } from './layout.ts'

/** One closed section for each known client, with its steps for this endpoint. */
export function renderGuides(endpoint: McpEndpoint): Markup {
  return html`<div class="guides">${CLIENT_GUIDES.map(guide => section(guide, endpoint))}</div>`
}

function section(guide: ClientGuide, endpoint: McpEndpoint): Markup {
  return html`<details>
<summary>${guide.label}</summary>
${isOutOfReach(guide, endpoint) ? outOfReach(guide) : html`<ol class="steps">${guide.steps(endpoint).map(item)}</ol>`}
</details>`
}

function isOutOfReach(guide: ClientGuide, { url }: McpEndpoint): boolean {
  return guide.runs === 'hosted' && isLoopbackHost(new URL(url).hostname)
}

function outOfReach({ label }: ClientGuide): Markup {
  return html`<p class="note unreachable">${label} connects over the internet and cannot reach an address on this computer.</p>`
}

function item(step: Step): Markup {
  return html`<li>${step.map(part)}</li>`
}

function part(part: Part): Markup {
  switch (part.kind) {
    case 'text':
      return html`<p>${part.text}</p>`
    case 'copy':
      return html`<p>${part.text}</p><pre class="copy">${part.content}</pre>`
    case 'link':
      return html`<a class="button" href="${part.href}">${part.text}</a>`
  }
}

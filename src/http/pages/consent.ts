/**
 * The consent page: who asks, for what, where it goes, and then the decision. It comes before the IdP, since the IdP knows only the gateway and would not ask.
 *
 * @see MCP security best practices, "Confused Deputy Problem"
 */
import { html } from 'hono/html'
import type { Client } from '../../domain/client.ts'
import { describeRedirectUri, type RedirectDestination } from '../../domain/redirect-uri.ts'
import { displayName } from './display-name.ts'
import { type Markup, type Page, renderPage } from './layout.ts'

export type ConsentData = {
  publicUrl: string
  client: Pick<Client, 'clientId' | 'clientName' | 'origin'>
  /** The one of this request, checked. */
  redirectUri: string
  /** As the configuration calls the backend. */
  backendName: string
  resource: string
  scopes: readonly { name: string; description?: string }[]
  /** Comes back as the form field `consent`. */
  handle: string
}

/** The form posts `consent` (the handle) and `decision` (`approve` or `deny`) to `/consent`. Neither button has the focus at first. */
export function renderConsent(data: ConsentData): Page {
  const frame = { title: `Allow access to ${data.backendName}?`, publicUrl: data.publicUrl }
  return renderPage(
    frame,
    html`<h1>Let this app use ${data.backendName}?</h1>
<div class="facts">
${who(data.client)}
${what(data)}
${where(describeRedirectUri(data.redirectUri))}
</div>
${decide(data.handle)}`,
  )
}

function who(client: ConsentData['client']): Markup {
  const name = displayName(client.clientName) ?? 'An app without a name'
  return html`<section class="fact" aria-labelledby="who">
<h2 id="who">${WHO[client.origin].heading}</h2>
<p class="who"><bdi>${name}</bdi></p>
${WHO[client.origin].standing(client)}
</section>`
}

const SEAL = html`<svg viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="2"
  stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="M2.5 8.5l3.5 3.5 7.5-8"/></svg>`

/** What each origin lets us say about a name. */
const WHO: Record<
  Client['origin'],
  { heading: string; standing: (client: ConsentData['client']) => Markup }
> = {
  registered: {
    heading: 'This app says it is',
    standing: () =>
      html`<p class="note">Anyone can choose a name. What counts is where your access goes, shown below.</p>`,
  },
  document: {
    heading: 'Who is asking',
    standing: ({ clientId }) =>
      html`<p class="note">Published by <strong>${new URL(clientId).host}</strong>, which we have checked. The name is its own choice.</p>`,
  },
  preregistered: {
    heading: 'Who is asking',
    standing: () =>
      html`<p class="note sealed">${SEAL}<span>Known to your company: an administrator added this app.</span></p>`,
  },
}

function what({ backendName, resource, scopes }: ConsentData): Markup {
  return html`<section class="fact" aria-labelledby="what">
<h2 id="what">It wants to act for you in</h2>
<p class="what">${backendName}</p>
<code>${resource}</code>
${scopes.length > 0 && html`<ul class="rights">${scopes.map(right)}</ul>`}
</section>`
}

function right({ name, description }: ConsentData['scopes'][number]): Markup {
  return description === undefined
    ? html`<li><code>${name}</code></li>`
    : html`<li>${description} <code class="note">${name}</code></li>`
}

const LURE = 'If someone sent you a link that led here, deny.'

function where(destination: RedirectDestination): Markup {
  const { caution, large, notes } = describe(destination)
  return html`<section class="where${caution && ' caution'}" aria-labelledby="where">
<h2 id="where">Your access goes to</h2>
<p class="destination">${large}</p>
${notes.map(note => html`<p class="note">${note}</p>`)}
</section>`
}

function describe(destination: RedirectDestination): {
  caution: boolean
  large: string
  notes: string[]
} {
  switch (destination.kind) {
    case 'web':
      return {
        caution: false,
        large: destination.host,
        notes: ['Whoever runs this address gets the access. Approve only if you know it.'],
      }
    case 'loopback':
      return {
        caution: true,
        large: 'An app on this computer',
        notes: [
          `It listens at ${destination.host}. This is right only if you have just started connecting from an app on this computer.`,
          LURE,
        ],
      }
    case 'app':
      return {
        caution: true,
        large: `The app for ${destination.scheme}: links`,
        notes: [
          'It is on this device. This is right only if you have just started connecting from that app.',
          LURE,
        ],
      }
  }
}

// Deny comes first: it is the button that a browser presses where none is named.
function decide(handle: string): Markup {
  return html`<form class="decide" method="post" action="/consent">
<input type="hidden" name="consent" value="${handle}">
<p class="note">If you approve, you will then sign in with your company account.</p>
<div class="choices">
<button class="button" name="decision" value="deny">Deny</button>
<button class="button primary" name="decision" value="approve">Approve</button>
</div>
</form>`
}

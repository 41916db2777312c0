import { html } from 'hono/html'
import { describeRedirectUri, type RedirectDestination } from '../../domain/redirect-uri.ts'
import { displayName } from './display-name.ts'
import { ERROR_TEXTS, type ErrorKind } from './error-kinds.ts'
import { type Markup, type Page, renderPage } from './layout.ts'

export type ErrorData = {
  publicUrl: string
  kind: ErrorKind
  /** Ties the page to its log lines. */
  correlationId: string
  /** The client that the reader came from, where that is known. */
  clientName?: string
  /** Who the reader is signed in as, where that is known and matters. */
  account?: string
  /** The service that it is about. */
  service?: string
  /** Where trying again begins. Made by us, never taken from a request. */
  retryUrl?: string
  /** What is wrong, for whoever runs the client. No text of a stranger's. */
  problem?: string
  /** The answer to a client whose redirect URI is its own and not trusted: the reader sees where it leads, and may follow it. */
  returnUrl?: string
}

/** The page for a person whose request cannot be answered by a redirect. It says what its kind says, and the usual status of that kind is in `ERROR_TEXTS`. */
export function renderError(data: ErrorData): Page {
  const { title, explanation, next } = ERROR_TEXTS[data.kind]
  const { returnUrl } = data
  const destination = returnUrl === undefined ? undefined : describeRedirectUri(returnUrl)
  return renderPage(
    { title, publicUrl: data.publicUrl },
    html`<h1>${title}</h1>
<p class="lede">${explanation}</p>
${destination && where(destination)}
<section class="next" aria-labelledby="next">
<h2 id="next">What you can do</h2>
<p>${next}</p>
${data.retryUrl !== undefined && html`<a class="button primary" href="${data.retryUrl}">Try again</a>`}
${destination && html`<a class="button" href="${returnUrl}">Return to ${nameOf(destination)}</a>`}
</section>
${reference(data)}`,
  )
}

/** Whoever chose the address wants its reader to arrive there, so it is shown before the link is. */
function where(destination: RedirectDestination): Markup {
  return html`<section class="where caution" aria-labelledby="where">
<h2 id="where">It wants to send you to</h2>
<p class="destination">${nameOf(destination, 'The')}</p>
<p class="note">The app chose this itself, and nobody here has checked it. Go on only if you know it.</p>
</section>`
}

function nameOf(destination: RedirectDestination, article = 'the'): string {
  return destination.kind === 'app'
    ? `${article} app for ${destination.scheme}: links`
    : destination.host
}

function reference({ clientName, account, service, problem, correlationId }: ErrorData): Markup {
  const lines = [
    ['Account', account],
    ['Service', service],
    ['App', clientName],
    ['Error', problem],
  ] as const
  return html`<p class="reference">${lines.map(renderLine)}Reference: <code>${correlationId}</code></p>`
}

/** Nothing where there is no name, or nothing visible in it. */
function renderLine([label, text]: readonly [string, string | undefined]): Markup | '' {
  const name = text === undefined ? undefined : displayName(text)
  return name === undefined ? '' : html`${label}: <bdi>${name}</bdi><br>`
}

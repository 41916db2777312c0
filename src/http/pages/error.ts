import { html } from 'hono/html'
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
}

/** The page for a person whose request cannot be answered by a redirect. It says what its kind says, and the usual status of that kind is in `ERROR_TEXTS`. */
export function renderError(data: ErrorData): Page {
  const { title, explanation, next } = ERROR_TEXTS[data.kind]
  return renderPage(
    { title, publicUrl: data.publicUrl },
    html`<h1>${title}</h1>
<p class="lede">${explanation}</p>
<section class="next" aria-labelledby="next">
<h2 id="next">What you can do</h2>
<p>${next}</p>
${data.retryUrl !== undefined && html`<a class="button primary" href="${data.retryUrl}">Try again</a>`}
</section>
${reference(data)}`,
  )
}

function reference({ clientName, account, service, correlationId }: ErrorData): Markup {
  const lines = [
    ['Account', account],
    ['Service', service],
    ['App', clientName],
  ] as const
  return html`<p class="reference">${lines.map(renderLine)}Reference: <code>${correlationId}</code></p>`
}

/** Nothing where there is no name, or nothing visible in it. */
function renderLine([label, text]: readonly [string, string | undefined]): Markup | '' {
  const name = text === undefined ? undefined : displayName(text)
  return name === undefined ? '' : html`${label}: <bdi>${name}</bdi><br>`
}

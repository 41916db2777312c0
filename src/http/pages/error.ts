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

function reference({ clientName, correlationId }: ErrorData): Markup {
  const name = clientName === undefined ? undefined : displayName(clientName)
  return html`<p class="reference">${name !== undefined && html`App: <bdi>${name}</bdi><br>`}Reference: <code>${correlationId}</code></p>`
}

/**
 * What every page for people shares: the frame around its content, and the headers under which a browser shows it.
 */
import { createHash } from 'node:crypto'
import { html, raw } from 'hono/html'
import { STYLE } from './style.ts'

/** A page as a response needs it; the status is the caller's. */
export type Page = { html: string; headers: Record<string, string> }

/** Markup in which every value is escaped. */
export type Markup = ReturnType<typeof html>

export type Frame = {
  /** Never a stranger's text: a window's title cannot isolate it. */
  title: string
  /** Origin of the gateway; its host stands above every page. */
  publicUrl: string
}

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64')

/**
 * No script runs on any page, and nothing is loaded but the one style sheet.
 *
 * There is no `form-action`: browsers apply it to the whole redirect chain after a form, and the chain after the consent form
 * ends at the client, wherever that is.
 *
 * @see https://www.w3.org/TR/CSP3/
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${STYLE_HASH}'`,
  "img-src 'self' data:",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/**
 * `same-origin` and not `no-referrer`: under the latter a browser sends the consent form with `Origin: null`, and where it came from could not be checked.
 *
 * There is no `Cross-Origin-Opener-Policy`: clients open `/authorize` in a pop-up and watch it. Any value but `unsafe-none` on a page in between cuts the
 * pop-up off from its opener for good, `same-origin-allow-popups` too, since that spares only what the page itself opens.
 */
const HEADERS: Readonly<Record<string, string>> = {
  'Content-Type': 'text/html; charset=UTF-8',
  'Content-Security-Policy': CONTENT_SECURITY_POLICY,
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Cache-Control': 'no-store',
}

// A data URL, so that no browser asks for /favicon.ico.
const ICON =
  "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke='%231f6fae' " +
  "stroke-width='2.25' stroke-linecap='round'><path d='M5 21V11a7 7 0 0 1 14 0v10M2 21h20M12 21v-7'/></svg>"

const MARK = html`<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2"
  stroke-linecap="round" aria-hidden="true"><path d="M5 21V11a7 7 0 0 1 14 0v10M2 21h20M12 21v-7"/></svg>`

/** @throws TypeError where the content has an asynchronous part; pages are made of what is known already. */
export function renderPage(frame: Frame, content: Markup): Page {
  const document = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${frame.title}</title>
<link rel="icon" href="${ICON}">
<style>${raw(STYLE)}</style>
</head>
<body>
<header class="page-head">${MARK}<span>${new URL(frame.publicUrl).host}</span></header>
<main>
${content}
</main>
</body>
</html>
`
  if (document instanceof Promise) throw new TypeError('a page has no asynchronous parts')
  return { html: document.toString(), headers: { ...HEADERS } }
}

import { describe, expect, it } from 'vitest'
import { renderError } from '../../../src/http/pages/error.ts'
import { ERROR_TEXTS, type ErrorKind } from '../../../src/http/pages/error-kinds.ts'

const kinds = Object.entries(ERROR_TEXTS) as [ErrorKind, (typeof ERROR_TEXTS)[ErrorKind]][]
const base = { publicUrl: 'https://mcp.example.com', correlationId: 'abc-123' }

describe.each(kinds)('error page: %s', (kind, text) => {
  it('says what happened, what to do, and the reference', () => {
    const { html } = renderError({ ...base, kind })
    expect(html).toContain(`<title>${text.title}</title>`)
    for (const part of [text.title, text.explanation, text.next]) expect(html).toContain(part)
    expect(html).toContain('Reference: <code>abc-123</code>')
  })

  it('has an error status', () => {
    expect(text.status).toBeGreaterThanOrEqual(400)
  })
})

describe('error page', () => {
  const kind = 'server-error'

  it('offers to try again only where there is a way to', () => {
    expect(renderError({ ...base, kind }).html).not.toContain('Try again</a>')
    const html = renderError({ ...base, kind, retryUrl: '/?a="b"&c' }).html
    expect(html).toContain('href="/?a=&quot;b&quot;&amp;c">Try again</a>')
  })

  it('shows a client name as isolated text, and no empty one', () => {
    const html = renderError({ ...base, kind, clientName: '<b>\u202E' }).html
    expect(html).toContain('App: <bdi>&lt;b&gt;</bdi>')
    expect(renderError({ ...base, kind, clientName: '\u200B' }).html).not.toContain('App:')
  })

  it.each([
    ['https://app.example:8443/cb?error=x&state=%22', 'app.example:8443'],
    ['cursor://evil.example/cb?error=x&state=%22', 'the app for cursor: links'],
    [
      `https://${'claude.ai.'.repeat(20)}evil.example/?a&b`,
      `${'claude.ai.'.repeat(20)}evil.example`,
    ],
  ])('shows where a link back to a stranger leads, before the link: %s', (returnUrl, name) => {
    const { html } = renderError({ ...base, kind: 'app-request', returnUrl })
    const href = returnUrl.replaceAll('&', '&amp;')
    const parts = [
      `<p class="destination">${name.replace(/^the/, 'The')}</p>`,
      `href="${href}">Return to ${name}</a>`,
    ]
    const [shown, link] = parts.map(part => html.indexOf(part))
    expect(shown).toBeGreaterThan(0)
    expect(link).toBeGreaterThan(shown ?? 0)
    expect(html).not.toMatch(/http-equiv/i)
  })

  it('offers no way on where there is none to be offered', () => {
    const { html } = renderError({ ...base, kind })
    expect(html).not.toContain('Return to')
    expect(html).not.toContain('class="destination"')
  })

  it('names the error for whoever runs the app', () => {
    const html = renderError({ ...base, kind, problem: 'invalid_scope, scope is malformed' }).html
    expect(html).toContain('Error: <bdi>invalid_scope, scope is malformed</bdi>')
  })

  it('escapes the reference', () => {
    expect(renderError({ ...base, kind, correlationId: '<b>' }).html).toContain(
      '<code>&lt;b&gt;</code>',
    )
  })
})

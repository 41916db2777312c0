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

  it('escapes the reference', () => {
    expect(renderError({ ...base, kind, correlationId: '<b>' }).html).toContain(
      '<code>&lt;b&gt;</code>',
    )
  })
})

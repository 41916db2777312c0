import { createHash } from 'node:crypto'
import { html } from 'hono/html'
import { describe, expect, it } from 'vitest'
import { renderPage } from '../../../src/http/pages/layout.ts'
import { SAMPLES } from '../../support/page-samples.ts'

const directives = (policy: string | undefined) =>
  new Map(
    (policy ?? '').split('; ').map(directive => {
      const [name = '', ...values] = directive.split(' ')
      return [name, values.join(' ')]
    }),
  )

describe.each(Object.entries(SAMPLES))('every page: %s', (_path, page) => {
  const policy = directives(page.headers['Content-Security-Policy'])

  it('allows exactly the style sheet that it carries, and no script', () => {
    const sheets = [...page.html.matchAll(/<style>([\s\S]*?)<\/style>/g)].map(
      match => match[1] ?? '',
    )
    expect(sheets).toHaveLength(1)
    const hash = createHash('sha256')
      .update(sheets[0] ?? '')
      .digest('base64')
    expect(policy.get('style-src')).toBe(`'sha256-${hash}'`)
    expect(policy.get('default-src')).toBe("'none'")
    expect(policy.has('script-src')).toBe(false)
    expect(page.html).not.toMatch(/<script|\sstyle=|\son\w+=|javascript:/i)
  })

  it('has no form-action, which would stop the redirects after the consent form', () => {
    expect(policy.has('form-action')).toBe(false)
  })

  it('can be neither framed, sniffed nor stored, and sends an origin with its form', () => {
    expect(policy.get('frame-ancestors')).toBe("'none'")
    expect(policy.get('base-uri')).toBe("'none'")
    expect(page.headers).toMatchObject({
      'Content-Type': 'text/html; charset=UTF-8',
      'X-Frame-Options': 'DENY',
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'no-store',
      'Referrer-Policy': 'same-origin',
    })
  })

  it('does not cut a pop-up off from the client that opened it', () => {
    expect(page.headers).not.toHaveProperty('Cross-Origin-Opener-Policy')
  })

  it('has a language, a title, one main landmark and one first heading', () => {
    expect(page.html).toMatch(/^<!doctype html>\n<html lang="en">/)
    expect(page.html).toMatch(/<title>[^<]+<\/title>/)
    expect(page.html.match(/<main>/g)).toHaveLength(1)
    expect(page.html.match(/<h1>/g)).toHaveLength(1)
  })
})

describe('the frame of a page', () => {
  it('escapes the title', () => {
    const page = renderPage({ title: '</title><b>', publicUrl: 'https://a.example' }, html`<p></p>`)
    expect(page.html).toContain('<title>&lt;/title&gt;&lt;b&gt;</title>')
  })

  it('refuses content that is not there yet', () => {
    const late = html`<p>${Promise.resolve('x')}</p>`
    expect(() => renderPage({ title: 't', publicUrl: 'https://a.example' }, late)).toThrow(
      TypeError,
    )
  })

  it('gives each page headers of its own', () => {
    const frame = { title: 't', publicUrl: 'https://a.example' }
    renderPage(frame, html`<p></p>`).headers['Set-Cookie'] = 'a=b'
    expect(renderPage(frame, html`<p></p>`).headers).not.toHaveProperty('Set-Cookie')
  })
})

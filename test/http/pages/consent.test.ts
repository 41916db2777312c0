import { describe, expect, it } from 'vitest'
import { renderConsent } from '../../../src/http/pages/consent.ts'
import { CONSENT } from '../../support/page-samples.ts'

const named = (clientName: string) =>
  renderConsent({ ...CONSENT, client: { ...CONSENT.client, clientName } }).html

describe('consent page: a client name from a stranger', () => {
  it.each([
    ['markup', '<script>alert(1)</script>', '&lt;script&gt;alert(1)&lt;/script&gt;'],
    ['the end of its isolation', '</bdi></p>', '&lt;/bdi&gt;&lt;/p&gt;'],
    ['quotes and ampersands', `"a" & 'b'`, '&quot;a&quot; &amp; &#39;b&#39;'],
    ['an override of direction', 'moc.edualc\u202E', 'moc.edualc'],
    ['a long message', 'Approve! '.repeat(100), `${'Approve! '.repeat(8)}Approve…`],
    ['nothing', '\u200B', 'An app without a name'],
  ])('with %s is isolated text', (_kind, name, shown) => {
    expect(named(name)).toContain(`<bdi>${shown}</bdi>`)
    expect(named(name)).not.toContain('<script')
  })

  it('appears nowhere but in its own place', () => {
    expect(named('Zanzibar').match(/Zanzibar/g)).toHaveLength(1)
  })
})

describe('consent page: what is said of a name', () => {
  it.each([
    ['registered', 'Anyone can choose a name.'],
    ['document', 'Published by <strong>app.example:8443</strong>'],
    ['preregistered', 'Known to your company'],
  ] as const)('%s', (origin, words) => {
    const clientId = 'https://app.example:8443/client.json'
    const html = renderConsent({ ...CONSENT, client: { clientId, clientName: 'App', origin } }).html
    expect(html).toContain(words)
  })

  it('a registered client is never said to be who it says', () => {
    expect(named('Claude')).toContain('This app says it is')
    expect(named('Claude')).not.toMatch(/published by|known to your company/i)
  })
})

describe('consent page: where the access goes', () => {
  const to = (redirectUri: string) => renderConsent({ ...CONSENT, redirectUri }).html

  it('names the whole host, however long', () => {
    const host = `${'claude.ai.'.repeat(20)}evil.example`
    expect(to(`https://${host}/cb`)).toContain(`<p class="destination">${host}</p>`)
  })

  it('warns where an app on this computer gets it', () => {
    expect(to('http://127.0.0.1:33418/')).toMatch(
      /class="where caution"[\s\S]*An app on this computer[\s\S]*127\.0\.0\.1:33418/,
    )
  })

  it('warns where an app on this device gets it', () => {
    expect(to('cursor://x/cb')).toMatch(/class="where caution"[\s\S]*cursor:/)
  })

  it('does not warn of a web address', () => {
    expect(to('https://claude.ai/cb')).not.toContain('caution"')
  })
})

describe('consent page: the decision', () => {
  const { html } = renderConsent({ ...CONSENT, handle: '"><b>' })

  it('is posted to /consent with the handle, deny before approve', () => {
    expect(html).toContain('<form class="decide" method="post" action="/consent">')
    expect(html).toContain('<input type="hidden" name="consent" value="&quot;&gt;&lt;b&gt;">')
    const values = [...html.matchAll(/<button [^>]*name="decision" value="(\w+)"/g)].map(m => m[1])
    expect(values).toEqual(['deny', 'approve'])
    expect(html).not.toContain('autofocus')
  })

  it('comes after who asks, for what, and where it goes', () => {
    const order = ['id="who"', 'id="what"', 'id="where"', '<form'].map(part => html.indexOf(part))
    expect(order).toEqual(order.toSorted((a, b) => a - b))
    expect(order).not.toContain(-1)
  })

  it('names the resource and every scope, escaped', () => {
    const scopes = [{ name: 'a&b', description: '<i>' }, { name: 'plain' }]
    const page = renderConsent({ ...CONSENT, scopes })
    expect(page.html).toContain(`<code>${CONSENT.resource}</code>`)
    expect(page.html).toContain('&lt;i&gt; <code class="note">a&amp;b</code>')
    expect(page.html).toContain('<code>plain</code>')
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  describeRedirectUri,
  findRedirectUriFault,
  isRegisteredRedirectUri,
} from '../../src/domain/redirect-uri.ts'

describe('which redirect URIs may be registered (RFC 9700 section 2.1)', () => {
  it.each([
    'https://claude.ai/api/mcp/auth_callback',
    'cursor://anysphere.cursor-mcp/oauth/callback',
    'http://localhost/callback',
    'http://127.0.0.1:33418/',
    'http://[::1]:8000/cb',
    'com.example.app:/oauth2redirect',
    'vscode://vscode.github-authentication/did-authenticate',
    'vscode-insiders://publisher.extension/callback',
    'windsurf://codeium.windsurf/oauth/callback',
    'msauth.com.example.app://auth',
    'com.example.search:/callback',
    'https://ms-settings.example/cb',
    'https://global.consent.azure-apim.net/redirect/some-tool?x=1',
  ])('takes %s', uri => {
    expect(findRedirectUriFault(uri)).toBeUndefined()
  })

  it.each([
    ['javascript:alert(1)', 'uses a scheme that runs or reads something'],
    ['JavaScript:alert(1)', 'uses a scheme that runs or reads something'],
    ['data:text/html,x', 'uses a scheme that runs or reads something'],
    ['vbscript:x', 'uses a scheme that runs or reads something'],
    ['file:///etc/passwd', 'uses a scheme that runs or reads something'],
    ['blob:https://a.example/x', 'uses a scheme that runs or reads something'],
    ['https://a.example/cb#x', 'has a fragment'],
    ['https://a.example/cb#', 'has a fragment'],
    ['https://user@a.example/cb', 'has a user name or a password'],
    ['https://user:pw@a.example/cb', 'has a user name or a password'],
    ['https://@a.example/cb', 'has a user name or a password'],
    ['http://localhost:1@evil.example/', 'has a user name or a password'],
    ['https://*.a.example/cb', 'has a wildcard'],
    ['https://a.example/*', 'has a wildcard'],
    ['http://a.example/cb', 'uses plain http beyond this computer'],
    ['http://localhost.evil.example/cb', 'uses plain http beyond this computer'],
    ['http://127.0.0.1.evil.example/cb', 'uses plain http beyond this computer'],
    ['/relative', 'not an absolute URI'],
    ['', 'not an absolute URI'],
    ['https://a.example\\@evil.example/', 'not an absolute URI'],
    ['https://a.example/ cb', 'not an absolute URI'],
    ['java\nscript:alert(1)', 'not an absolute URI'],
  ])('refuses %j, because it %s', (uri, fault) => {
    expect(findRedirectUriFault(uri)).toBe(fault)
  })

  it.each([
    'search-ms:query=x&crumb=location:%5C%5Cevil.example%5Cshare',
    'search:query=x',
    'ms-msdt:/id',
    'MS-Msdt:/id',
    'ms-officecmd:x',
    'ms-appinstaller:?source=https://evil.example/x.msix',
    'ms-settings:network',
    'ms-word:ofe|u|https://evil.example/x.docx',
    'ms-of-a-later-version:x',
    'shell:startup',
    'microsoft-edge:https://evil.example/',
    'jar:https://evil.example/x.jar!/',
    'chrome://settings/',
    'resource://gre/',
    'intent://evil.example/',
    'intent://scan/#Intent;scheme=zxing;end',
    'x-man-page://1/ls',
    'itms-services://?action=download-manifest&url=https://evil.example/x.plist',
    'jnlp://evil.example/x.jnlp',
    'ldap://evil.example/',
  ])('refuses %s, which a system or a browser opens in its own way', uri => {
    expect(findRedirectUriFault(uri)).toBe('uses a scheme that runs or reads something')
  })

  it.each(['ftp://evil.example/cb', 'sftp://evil.example/cb', 'smb://evil.example/cb'])(
    'refuses %s, whose server the consent page would not name',
    uri => {
      expect(findRedirectUriFault(uri)).toBe('uses a scheme that runs or reads something')
    },
  )
})

describe('which presented redirect URI was registered (RFC 8252 section 7.3)', () => {
  it.each([
    ['https://a.example/cb', ['https://a.example/cb'], true],
    ['https://a.example/cb/', ['https://a.example/cb'], false],
    ['https://a.example/cb?x=1', ['https://a.example/cb'], false],
    ['https://A.example/cb', ['https://a.example/cb'], false],
    ['https://a.example:8443/cb', ['https://a.example/cb'], false],
    ['http://localhost:53124/callback', ['http://localhost/callback'], true],
    ['http://127.0.0.1:1/', ['http://127.0.0.1:33418/'], true],
    ['http://[::1]:9/cb', ['http://[::1]/cb'], true],
    ['http://localhost:53124/other', ['http://localhost/callback'], false],
    ['http://127.0.0.1:53124/callback', ['http://localhost/callback'], false],
    ['http://localhost:1@evil.example/', ['http://localhost/'], false],
    ['http://localhost.evil.example:1/callback', ['http://localhost/callback'], false],
    ['https://localhost:1/callback', ['https://localhost/callback'], false],
    [
      'cursor://anysphere.cursor-mcp/oauth/callback',
      ['cursor://anysphere.cursor-mcp/oauth/callback'],
      true,
    ],
    [
      'cursor://anysphere.cursor-mcp/oauth/callback2',
      ['cursor://anysphere.cursor-mcp/oauth/callback'],
      false,
    ],
    ['https://a.example/cb', [], false],
    // What may not be registered is not accepted either, should it be there nevertheless.
    ['javascript:alert(1)', ['javascript:alert(1)'], false],
    ['http://a.example/cb', ['http://a.example/cb'], false],
    ['http://127.0.0.1:1/cb', ['http://@127.0.0.1/cb'], false],
  ])('%s among %j: %s', (presented, registered, expected) => {
    expect(isRegisteredRedirectUri(presented, registered)).toBe(expected)
  })

  it('never accepts a URI on a host that none of the registered ones names', () => {
    const registered = [
      'http://localhost/callback',
      'https://app.example/cb',
      'http://127.0.0.1:80/cb',
    ]
    const hosts = new Set(['localhost', 'app.example', '127.0.0.1'])
    fc.assert(
      fc.property(
        fc.oneof(fc.webUrl({ withFragments: true, withQueryParameters: true }), fc.string()),
        text => {
          for (const candidate of [
            text,
            `http://localhost${text}`,
            `http://localhost:1${text}`,
            `https://app.example${text}`,
          ]) {
            if (isRegisteredRedirectUri(candidate, registered))
              expect(hosts).toContain(new URL(candidate).hostname)
          }
        },
      ),
    )
  })
})

describe('where a redirect URI leads', () => {
  it.each([
    ['https://claude.ai/api/mcp/auth_callback', { kind: 'web', host: 'claude.ai' }],
    ['https://example.com:8443/cb', { kind: 'web', host: 'example.com:8443' }],
    ['https://EXAMPLE.com:443/cb', { kind: 'web', host: 'example.com' }],
    ['https://claude.ai@evil.example/cb', { kind: 'web', host: 'evil.example' }],
    ['https://localhost.evil.example/cb', { kind: 'web', host: 'localhost.evil.example' }],
    ['https://127.0.0.1.evil.example/cb', { kind: 'web', host: '127.0.0.1.evil.example' }],
    ['https://cl\u0430ude.ai/cb', { kind: 'web', host: 'xn--clude-5ve.ai' }],
    ['http://localhost:8787/callback', { kind: 'loopback', host: 'localhost:8787' }],
    ['http://127.0.0.1/', { kind: 'loopback', host: '127.0.0.1' }],
    ['http://2130706433:9/', { kind: 'loopback', host: '127.0.0.1:9' }],
    ['http://[::1]:33418/cb', { kind: 'loopback', host: '[::1]:33418' }],
    ['cursor://anysphere.cursor-mcp/oauth/callback', { kind: 'app', scheme: 'cursor' }],
    ['com.example.app:/oauth', { kind: 'app', scheme: 'com.example.app' }],
  ])('%s', (uri, expected) => {
    expect(describeRedirectUri(uri)).toEqual(expected)
  })
})

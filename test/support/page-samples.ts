import { renderConnect } from '../../src/http/pages/connect.ts'
import { type ConsentData, renderConsent } from '../../src/http/pages/consent.ts'
import { renderError } from '../../src/http/pages/error.ts'
import { renderHome } from '../../src/http/pages/home.ts'
import type { Page } from '../../src/http/pages/layout.ts'

const publicUrl = 'https://mcp.example.com'

const CRM = { name: 'CRM', url: `${publicUrl}/crm/mcp` }

const TICKETS = {
  name: 'Tickets & incidents (Europe)',
  url: `${publicUrl}/operations/europe/tickets-and-incidents/v2/mcp`,
  description: 'Search, open and close tickets.',
}

/** An honest request of a registered client at a web address. */
export const CONSENT: ConsentData = {
  publicUrl,
  client: { clientId: 'registered-1', clientName: 'Claude', origin: 'registered' },
  redirectUri: 'https://claude.ai/api/mcp/auth_callback',
  backendName: 'CRM',
  resource: CRM.url,
  scopes: [
    { name: 'contacts.read', description: 'See contacts and companies' },
    { name: 'contacts.write', description: 'Change contacts and companies' },
    { name: 'reports' },
  ],
  handle: 'handle-1',
}

/** Where an error would go whose client is a stranger. */
export const RETURN_URL =
  'https://app.example/cb?error=invalid_scope&error_description=scope+is+malformed&state=a%22b&iss=https%3A%2F%2Fmcp.example.com'

/** Every page there is, in each form that looks different, by the path under which a test serves it. */
export const SAMPLES: Readonly<Record<string, Page>> = {
  '/consent-registered': renderConsent(CONSENT),
  '/consent-document': renderConsent({
    ...CONSENT,
    client: {
      clientId: 'https://vscode.dev/oauth/client-metadata.json',
      clientName: 'Visual Studio Code',
      origin: 'document',
    },
    redirectUri: 'http://127.0.0.1:33418/',
    scopes: [],
  }),
  '/consent-preregistered': renderConsent({
    ...CONSENT,
    client: { clientId: 'cursor', clientName: 'Cursor', origin: 'preregistered' },
    redirectUri: 'cursor://anysphere.cursor-mcp/oauth/callback',
  }),
  '/consent-hostile': renderConsent({
    ...CONSENT,
    client: {
      clientId: 'registered-2',
      clientName: `</bdi><h1>\u202Eelbatsurt\u202C ${'Ω'.repeat(400)}`,
      origin: 'registered',
    },
    redirectUri: `https://${'claude-ai-'.repeat(6)}a.${'login-'.repeat(9)}b.evil.example:8443/cb`,
    scopes: Array.from({ length: 12 }, (_, index) => ({ name: `${'scope_'.repeat(9)}${index}` })),
  }),
  '/home-one': renderHome({ publicUrl, endpoints: [CRM] }),
  '/home-many': renderHome({ publicUrl, endpoints: [CRM, TICKETS] }),
  '/home-none': renderHome({ publicUrl, endpoints: [] }),
  '/connect': renderConnect({ publicUrl, endpoint: TICKETS }),
  '/connect-local': renderConnect({
    publicUrl: 'http://localhost:8080',
    endpoint: { name: 'Sample', url: 'http://localhost:8080/sample/mcp' },
  }),
  '/error': renderError({
    publicUrl,
    kind: 'bad-redirect-uri',
    correlationId: '7Q9aK3vY0mZ2xW5s',
    clientName: 'Claude',
    retryUrl: '/',
  }),
  '/error-return': renderError({
    publicUrl,
    kind: 'app-scope',
    correlationId: '7Q9aK3vY0mZ2xW5s',
    clientName: 'Claude',
    problem: 'invalid_scope, scope is malformed',
    returnUrl: RETURN_URL,
  }),
  '/error-return-app': renderError({
    publicUrl,
    kind: 'app-request',
    correlationId: '7Q9aK3vY0mZ2xW5s',
    clientName: 'Cursor',
    problem: 'invalid_request, code_challenge is missing',
    returnUrl: 'cursor://anysphere.cursor-mcp/oauth/callback?error=invalid_request',
  }),
  '/error-return-hostile': renderError({
    publicUrl,
    kind: 'app-unasked',
    correlationId: '7Q9aK3vY0mZ2xW5s',
    clientName: `</bdi><h1>\u202Eelbatsurt\u202C ${'Ω'.repeat(400)}`,
    problem: 'consent_required, prompt=none is not possible here',
    returnUrl: `https://${'claude-ai-'.repeat(6)}a.${'login-'.repeat(9)}b.evil.example:8443/cb?state=${'x'.repeat(4096)}`,
  }),
  '/error-bare': renderError({ publicUrl, kind: 'not-found', correlationId: '7Q9aK3vY0mZ2xW5s' }),
}

import { expect } from 'vitest'
import { authorizationRequest, REDIRECT_URI, type Registered } from './sign-in.ts'
import { encodeForm, type Gateway } from './support.ts'

/** Titles of the pages that a person is shown. */
export const PAGES = {
  request: 'This request cannot be understood',
  client: 'This app is not registered here',
  redirectUri: 'The app asked for an answer at an unknown address',
}

export type Change = Record<string, string | undefined>

export function ask(gateway: Gateway, client: Pick<Registered, 'client_id'>, change: Change = {}) {
  return gateway.request(`/authorize?${encodeForm(authorizationRequest(client, change))}`)
}

/** What came back to the client, which has to be at its redirect URI. */
export function redirectOf(response: Response): Record<string, string> {
  expect(response.status).toBe(303)
  const location = new URL(response.headers.get('location') ?? '')
  expect(location.origin + location.pathname).toBe(REDIRECT_URI)
  return Object.fromEntries(location.searchParams)
}

/** Where the page leads that a person is shown instead of a redirect. */
export async function linkOf(response: Response): Promise<URL> {
  const html = await response.text()
  expect(response.status, html).toBe(400)
  expect(response.headers.get('location')).toBeNull()
  const href = /<a class="button" href="([^"]*)">Return to /.exec(html)?.[1] ?? ''
  return new URL(href.replaceAll('&#39;', "'").replaceAll('&quot;', '"').replaceAll('&amp;', '&'))
}

export async function expectPage(response: Response, title: string, status = 400): Promise<void> {
  expect(response.status).toBe(status)
  expect(response.headers.get('location')).toBeNull()
  expect(response.headers.get('content-type')).toMatch(/^text\/html\b/)
  expect(await response.text()).toContain(title)
}

export async function expectConsent(response: Response): Promise<string> {
  const html = await response.text()
  expect(response.status, html).toBe(200)
  expect(html).toContain('name="consent"')
  return html
}

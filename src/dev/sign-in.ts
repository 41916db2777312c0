import type { IncomingMessage, ServerResponse } from 'node:http'
import { errors, type Interaction, type Provider } from 'oidc-provider'
import { type Page, renderProblem, renderSignIn } from './sign-in-page.ts'
import type { DevUser } from './users.ts'

const SIGN_IN = '/sign-in/'
const MAX_FORM_BYTES = 4096

/** Where the interaction of this id is served. */
export function signInPath(interactionId: string): string {
  return `${SIGN_IN}${interactionId}`
}

export function isSignIn(request: IncomingMessage): boolean {
  return request.url?.startsWith(SIGN_IN) ?? false
}

/**
 * Serves a provider's interactions: shows the sign-in page, and goes on as the user whose button was pressed.
 *
 * @param choose names the user where no page is to be shown; it is given the authorization request's parameters
 */
export function createSignIn(
  provider: Provider,
  users: readonly DevUser[],
  choose: (params: Record<string, unknown>) => string | undefined = () => undefined,
) {
  return async function serveSignIn(
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    try {
      const interaction = await provider.interactionDetails(request, response)
      const pressed = request.method === 'POST' ? await readUser(request) : undefined
      const subject = pressed ?? choose(interaction.params)
      if (subject === undefined) {
        return sendPage(response, 200, await renderSignIn(users, signInPath(interaction.uid)))
      }
      if (!users.some(user => user.subject === subject)) {
        return sendPage(response, 400, await renderProblem('invalid_request', 'No such user.'))
      }
      await leaveOtherSession(provider, interaction, subject)
      const login = { accountId: subject }
      const result = { login, consent: {}, select_account: {} }
      await provider.interactionFinished(request, response, result)
    } catch (error) {
      if (!(error instanceof errors.OIDCProviderError)) throw error
      sendPage(response, 400, await renderProblem(error.error, 'It is over, or was never begun.'))
    }
  }
}

/** Sends a page of the IdP; it is never stored, framed or given a script. */
export function sendPage(response: ServerResponse, status: number, page: Page): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': page.contentSecurityPolicy,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  })
  response.end(page.body)
}

/** Ends the remembered session of somebody else; oidc-provider would change users only by way of a log-out page that needs a script. */
async function leaveOtherSession(provider: Provider, interaction: Interaction, subject: string) {
  const { session } = interaction
  if (session === undefined || session.accountId === subject) return
  const other = await provider.Session.findByUid(session.uid)
  await other?.destroy()
  interaction.session = undefined
  await interaction.persist()
}

async function readUser(request: IncomingMessage): Promise<string | undefined> {
  let form = ''
  for await (const chunk of request) {
    form += String(chunk)
    if (form.length > MAX_FORM_BYTES) throw new errors.InvalidRequest('the form is too large')
  }
  return new URLSearchParams(form).get('user') ?? undefined
}

import { randomUUID } from 'node:crypto'
import { createSecret } from '../../../src/domain/secret.ts'
import { isVerified } from './pkce.ts'
import {
  startVendorServer,
  type VendorAnswer,
  type VendorRequest,
  type VendorServer,
} from './vendor-server.ts'

export type GitHubUser = { id: number; login: string; name: string | null; email: string | null }

export type GitHub = VendorServer & {
  clientId: string
  clientSecret: string
  /** Whoever is signed in at the browser. */
  signInAs(user: GitHubUser): void
  /** The user takes the authorization back. */
  revoke(user: GitHubUser): void
}

export const OCTO: GitHubUser = { id: 583231, login: 'octo', name: 'Octo', email: null }

type Issued = { user: GitHubUser; codeChallenge?: string; redirectUri?: string }

const EIGHT_HOURS = 28_800
const SIX_MONTHS = 15_897_600

/**
 * A GitHub App with expiring user tokens: configured endpoints, no ID token, errors with status 200, forms for who does not ask for JSON, refresh tokens for one use.
 *
 * @param options.expiring false for an OAuth app, whose tokens have no end
 */
export async function startGitHub(options: { expiring?: boolean } = {}): Promise<GitHub> {
  const { expiring = true } = options
  const clientId = 'Iv23liExample'
  const clientSecret = createSecret()
  const codes = new Map<string, Issued>()
  const refreshTokens = new Map<string, Issued>()
  const accessTokens = new Map<string, GitHubUser>()
  let signedIn = OCTO

  const authorize = ({ query }: VendorRequest): VendorAnswer => {
    const code = randomUUID()
    const { code_challenge: codeChallenge = '', redirect_uri: redirectUri = '' } = query
    codes.set(code, { user: signedIn, codeChallenge, redirectUri })
    const url = new URL(redirectUri)
    url.searchParams.set('code', code)
    if (query.state !== undefined) url.searchParams.set('state', query.state)
    return { redirect: url.href }
  }

  const issue = (user: GitHubUser): Record<string, unknown> => {
    const accessToken = `ghu_${createSecret()}`
    accessTokens.set(accessToken, user)
    const answer = { access_token: accessToken, scope: '', token_type: 'bearer' }
    if (!expiring) return answer
    const refreshToken = `ghr_${createSecret()}`
    refreshTokens.set(refreshToken, { user })
    return {
      ...answer,
      expires_in: EIGHT_HOURS,
      refresh_token: refreshToken,
      refresh_token_expires_in: SIX_MONTHS,
    }
  }

  const redeem = ({ form }: VendorRequest): Record<string, unknown> => {
    if (form.client_id !== clientId || form.client_secret !== clientSecret) {
      return refusal('incorrect_client_credentials')
    }
    return form.grant_type === 'refresh_token' ? refresh(form) : redeemCode(form)
  }

  const refresh = ({ refresh_token: presented = '' }: VendorRequest['form']) => {
    const issued = refreshTokens.get(presented)
    refreshTokens.delete(presented)
    return issued ? issue(issued.user) : refusal('bad_refresh_token')
  }

  const redeemCode = (form: VendorRequest['form']) => {
    const issued = codes.get(form.code ?? '')
    codes.delete(form.code ?? '')
    if (!issued || !isVerified(issued.codeChallenge, form.code_verifier)) {
      return refusal('bad_verification_code')
    }
    if (form.redirect_uri !== issued.redirectUri) return refusal('redirect_uri_mismatch')
    return issue(issued.user)
  }

  const server = await startVendorServer(['github.com', 'api.github.com'], request => {
    if (request.path === '/login/oauth/authorize') return authorize(request)
    if (request.path === '/login/oauth/access_token') return render(redeem(request), request)
    if (request.path === '/user') return describeUser(accessTokens, request)
    return { status: 404, json: { message: 'Not Found' } }
  })
  return {
    ...server,
    clientId,
    clientSecret,
    signInAs: user => {
      signedIn = user
    },
    revoke: ({ id }) => {
      for (const [token, { user }] of refreshTokens) if (user.id === id) refreshTokens.delete(token)
    },
  }
}

function refusal(error: string): Record<string, unknown> {
  return { error, error_description: `It is ${error}.`, error_uri: 'https://docs.github.com/' }
}

/** Status 200 whatever happened, and a form unless JSON is asked for. */
function render(answer: Record<string, unknown>, { headers }: VendorRequest): VendorAnswer {
  if (headers.accept?.includes('application/json')) return { json: answer }
  const form = new URLSearchParams()
  for (const [name, value] of Object.entries(answer)) form.set(name, String(value))
  return {
    body: form.toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
  }
}

function describeUser(
  accessTokens: ReadonlyMap<string, GitHubUser>,
  { headers }: VendorRequest,
): VendorAnswer {
  const token = /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1] ?? ''
  const user = accessTokens.get(token)
  if (headers['user-agent'] === undefined) return { status: 403, json: { message: 'User-Agent' } }
  if (!user) return { status: 401, json: { message: 'Bad credentials' } }
  return { json: { ...user, type: 'User', site_admin: false } }
}

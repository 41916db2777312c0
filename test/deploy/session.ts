import { type Discovery, discover, register, requestTokens } from '../../src/dev/demo/oauth.ts'
import { createReport } from '../../src/dev/demo/report.ts'
import { authorize, REDIRECT_URI } from '../../src/dev/demo/sign-in.ts'

/** What a client holds after a login as the demo does it. */
export type Session = {
  discovery: Discovery
  clientId: string
  accessToken: string
  refreshToken: string
}

const silent = createReport({ write: () => undefined })

export async function signInAt(mcpUrl: string): Promise<Session> {
  const discovery = await discover(silent, mcpUrl)
  const clientId = await register(silent, discovery, REDIRECT_URI)
  const { code, codeVerifier } = await authorize(silent, discovery, clientId)
  return redeem(
    { discovery, clientId },
    {
      grant_type: 'authorization_code',
      redirect_uri: REDIRECT_URI,
      code,
      code_verifier: codeVerifier,
    },
  )
}

/** @throws Error where they are refused */
export function refreshTokens({ discovery, clientId, refreshToken }: Session): Promise<Session> {
  const form = { grant_type: 'refresh_token', refresh_token: refreshToken }
  return redeem({ discovery, clientId }, form)
}

async function redeem(
  { discovery, clientId }: Pick<Session, 'discovery' | 'clientId'>,
  form: Record<string, string>,
): Promise<Session> {
  const tokens = await requestTokens(silent, discovery, { client_id: clientId, ...form })
  const { access_token: accessToken, refresh_token: refreshToken } = tokens
  return { discovery, clientId, accessToken, refreshToken }
}

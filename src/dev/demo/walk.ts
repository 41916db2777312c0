import {
  ask,
  type Discovery,
  discover,
  register,
  requestRefusal,
  requestTokens,
  revoke,
  type Tokens,
} from './oauth.ts'
import { type Report, shorten } from './report.ts'
import { authorize, REDIRECT_URI } from './sign-in.ts'
import { add, connect, countSlowly, listTools, meetInstances } from './tools.ts'

export type Walk = {
  mcpUrl: string
  /** How many instances the backend has; each has to answer once. */
  instances: number
}

/**
 * The whole way of a client, each step told: from knowing nothing but a URL, through a login, to calls through the gateway, and to the end of the grant.
 *
 * @throws Error at the first thing that is not as it must be
 */
export async function walk(report: Report, { mcpUrl, instances }: Walk): Promise<void> {
  report.step('Discover: the client knows only the address of the MCP server')
  const discovery = await discover(report, mcpUrl)

  report.step('Register: the client introduces itself')
  const clientId = await register(report, discovery, REDIRECT_URI)
  report.fact('its client id', shorten(clientId))

  const { code, codeVerifier } = await authorize(report, discovery, clientId)

  report.step('Token: the client redeems the code')
  const first = await requestTokens(report, discovery, {
    grant_type: 'authorization_code',
    client_id: clientId,
    redirect_uri: REDIRECT_URI,
    code,
    code_verifier: codeVerifier,
  })
  describeTokens(report, first)

  const latest = await useTools(report, discovery, first, { clientId, mcpUrl, instances })
  await endGrant(report, discovery, latest, { clientId, mcpUrl })
}

async function useTools(
  report: Report,
  discovery: Discovery,
  first: Tokens,
  { clientId, mcpUrl, instances }: Walk & { clientId: string },
): Promise<Tokens> {
  let tokens = first
  const client = await connect(mcpUrl, () => tokens.access_token)
  try {
    report.step('List tools: the first call with a token')
    await listTools(report, client)

    report.step('Call whoami: any instance of the backend may answer')
    await meetInstances(report, client, instances)

    report.step('Call add')
    await add(report, client, 19, 23)

    report.step('Call slow_count: progress arrives while the tool runs')
    await countSlowly(report, client)

    report.step('Refresh: new tokens without a person')
    tokens = await requestTokens(report, discovery, {
      grant_type: 'refresh_token',
      client_id: clientId,
      refresh_token: tokens.refresh_token,
    })
    describeTokens(report, tokens)
    await add(report, client, 1, 2)
    return tokens
  } finally {
    await client.close()
  }
}

async function endGrant(
  report: Report,
  discovery: Discovery,
  { access_token, refresh_token }: Tokens,
  { clientId, mcpUrl }: { clientId: string; mcpUrl: string },
): Promise<void> {
  report.step('Revoke: everything of this login ends, on every replica')
  await revoke(report, discovery, { client_id: clientId, token: refresh_token })
  await ask(report, 401, mcpUrl, {
    method: 'POST',
    headers: { authorization: `Bearer ${access_token}` },
  })
  const error = await requestRefusal(report, discovery, {
    grant_type: 'refresh_token',
    client_id: clientId,
    refresh_token,
  })
  report.fact('a refresh is refused with', error)
}

function describeTokens(report: Report, tokens: Tokens): void {
  const { access_token, refresh_token, expires_in, scope } = tokens
  report.fact('access token', `${shorten(access_token)} for ${expires_in} s, scope ${scope}`)
  report.fact('refresh token', shorten(refresh_token))
}

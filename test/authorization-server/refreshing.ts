import { expect } from 'vitest'
import {
  errorOf,
  type Registered,
  refreshRequest,
  register,
  signIn,
  type Tokens,
} from './sign-in.ts'
import { createGateway, type Gateway, type GatewayOptions } from './support.ts'

export async function setUp(
  options: GatewayOptions,
): Promise<{ gateway: Gateway; client: Registered; tokens: Tokens }> {
  const gateway = createGateway(options)
  const client = await register(gateway)
  return { gateway, client, tokens: await signIn(gateway, client) }
}

export async function refusalOf(
  gateway: Gateway,
  client: Registered,
  token: string,
  change: Record<string, string> = {},
): Promise<string> {
  const response = await gateway.post('/token', refreshRequest(client, token, change))
  expect(response.status).toBe(400)
  return errorOf(response)
}

export async function claimsOf(gateway: Gateway, { access_token }: Tokens) {
  const claims = await gateway.server.accessTokens.verify(access_token)
  if (!claims) throw new Error('the access token is not accepted')
  return claims
}

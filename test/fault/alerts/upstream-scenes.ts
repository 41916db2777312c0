import { createBrowserAgent } from '../../support/browser-agent.ts'
import { waitFor } from '../../support/wait-for.ts'
import {
  authorizationUrl,
  call,
  refresh,
  register,
  type Session,
  signIn,
  tokensOf,
  upstreamExpiry,
} from '../client.ts'
import type { Scene } from './scene.ts'
import { recordFault, type Stage, TTL_SECONDS } from './stage.ts'

const USERS = 6

export const UPSTREAM_SCENES: readonly Scene[] = [
  {
    fault: 'the identity provider refuses the secret of the gateway',
    alerts: ['McpGatewayUpstreamRefusesGateway', 'McpGatewaySignInsFailing'],
    record: stage =>
      recordUpstreamFault(stage, async clientId => {
        const { house } = stage
        house.idp.setFault({
          ...{ kind: 'error', error: 'invalid_client', status: 401, endpoint: 'token' },
        })
        for (let n = 0; n < USERS; n += 1) await signIn(house, clientId).catch(() => {})
      }),
  },
  {
    fault: 'the identity provider answers 500',
    alerts: ['McpGatewayUpstreamUnavailable'],
    record: stage =>
      recordUpstreamFault(stage, async () => {
        stage.house.idp.setFault({ kind: 'status', status: 500, endpoint: 'token' })
      }),
    mayFire: ['McpGatewaySlow'],
  },
  {
    fault: 'the identity provider has ended all logins',
    // The tokens of these grants are good no more.
    alerts: ['McpGatewayUpstreamEndsLogins', 'McpGatewayTokensRefused'],
    record: stage => recordUpstreamFault(stage, async () => stage.house.idp.revokeUser('alice')),
  },
  {
    fault: 'the identity provider lets nobody come back',
    alerts: ['McpGatewaySignInsUnfinished'],
    record: async stage => {
      const { house } = stage
      const clientId = await register(house)
      const isAtIdp = (url: URL) => url.origin === house.idp.issuer
      return recordFault(stage, async () => {
        for (let n = 0; n < USERS; n += 1) {
          const browser = createBrowserAgent({ stopAt: isAtIdp })
          const page = await browser.open(authorizationUrl(house, clientId, 'v'.repeat(43)))
          await browser.submit(page, { button: 'approve' })
        }
      })
    },
  },
  {
    fault: 'a refresh token is used a second time',
    alerts: ['McpGatewayReplayDetected'],
    record: async stage => {
      const { house } = stage
      const session = await signIn(house)
      return recordFault(stage, async () => {
        const successor = tokensOf(await refresh(session, house.front))
        await refresh({ ...session, ...successor }, house.front)
        await waitFor(async () => (await refresh(session, house.front)).status === 400, {
          what: 'the replay to be noticed',
        })
      })
    },
  },
]

/** Users have signed in; then something happens to the identity provider, and their tokens there end. */
async function recordUpstreamFault(stage: Stage, provoke: (clientId: string) => Promise<unknown>) {
  const { house } = stage
  const clientId = await register(house)
  return recordFault(
    stage,
    async () => {
      const sessions: Session[] = []
      for (let n = 0; n < USERS; n += 1) sessions.push(await signIn(house, clientId))
      await provoke(clientId)
      for (const session of sessions) {
        await upstreamExpiry(session, TTL_SECONDS)
        await call(session, house.front)
      }
    },
    async () => house.idp.clearFaults(),
  )
}

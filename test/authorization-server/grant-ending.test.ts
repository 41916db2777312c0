/** What follows from the end of grants, whatever becomes of each. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createGrantEnding } from '../../src/authorization-server/tokens/grant-ending.ts'
import { OutageError } from '../../src/domain/outage.ts'
import type { Revocations, Store } from '../../src/store/port.ts'
import type { OidcProvider } from '../support/oidc-provider.ts'
import { waitFor } from '../support/wait-for.ts'
import { register, signIn } from './sign-in.ts'
import { createGateway, startIdp } from './support.ts'

let idp: OidcProvider
beforeAll(async () => {
  idp = await startIdp()
})
afterAll(() => idp.close())

const WHY = { reason: 'test', correlationId: 'flow-1' }
const outage = new OutageError('store', 'a stored record does not open')

/** A store that has two more grants of everybody: one that does not open, and one that cannot be ended. */
function withTroubled(memory: Store): Store {
  const trouble = async (revocations: Promise<Revocations>): Promise<Revocations> => {
    const { ended } = await revocations
    const failures = [{ grantId: 'stuck', error: outage }]
    return { ended: [{ grantId: 'locked', unopened: outage }, ...ended], failures }
  }
  const { grants } = memory
  return {
    ...memory,
    grants: {
      ...grants,
      revokeEach: grantIds => trouble(grants.revokeEach(grantIds)),
      revokeClient: clientId => trouble(grants.revokeClient(clientId)),
      revokeSubject: (issuer, subject) => trouble(grants.revokeSubject(issuer, subject)),
    },
  }
}

async function setUp() {
  const gateway = createGateway({ idp, store: withTroubled })
  const client = await register(gateway)
  const { access_token } = await signIn(gateway, client)
  const { grantId = '' } = (await gateway.server.accessTokens.verify(access_token)) ?? {}
  const { identity, clientId } = (await gateway.store.grants.find(grantId))!
  const { issuer, subject } = identity
  const lines = () =>
    gateway
      .log()
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line) as Record<string, unknown>)
  return {
    ending: createGrantEnding(gateway.server),
    grant: { grantId, clientId, issuer, subject },
    revocations: () => lines().filter(({ event }) => event === 'revocation'),
    warnings: () => lines().filter(({ level }) => level === 'warn'),
  }
}

describe.each(['its client', 'its subject', 'their ids'] as const)(
  'the end of grants by %s',
  by => {
    it('is audited, and revoked at the IdP, for each that has ended, and counts the others', async () => {
      const { ending, grant, revocations, warnings } = await setUp()
      const { clientId, issuer, subject, grantId } = grant
      const before = idp.counts.revocation
      const [act, about] = {
        'its client': [() => ending.endClient(clientId, WHY), { clientId }] as const,
        'its subject': [
          () => ending.endSubject(issuer, subject, WHY),
          { issuer, subject },
        ] as const,
        'their ids': [() => ending.endEach([grantId], WHY), {}] as const,
      }[by]
      expect(await act()).toEqual({ revoked: 2, unopened: 1, failed: 1 })
      expect(revocations()).toEqual([
        expect.objectContaining({ ...WHY, ...about, grantId: 'locked', outcome: 'granted' }),
        expect.objectContaining({ ...WHY, ...grant, outcome: 'granted' }),
      ])
      expect(warnings().map(line => [line.grantId, line.correlationId])).toEqual([
        ['locked', 'flow-1'],
        ['stuck', 'flow-1'],
      ])
      await waitFor(() => idp.counts.revocation === before + 1, {
        what: 'the revocation of the refresh token at the IdP',
      })
    })
  },
)

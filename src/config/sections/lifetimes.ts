import { z } from 'zod'
import { seconds } from '../fields.ts'
import { onSection, renamed } from '../shapes.ts'

export const lifetimes = renamed(
  z
    .strictObject({
      accessToken: seconds('10s', '24h').prefault('15m').describe('An access token.'),
      refreshGrace: seconds('0s', '1h')
        .prefault('60s')
        .describe(
          'How long a spent refresh token still gets the same successor, in case the answer was lost.',
        ),
      grantIdle: seconds('1m', '3650d').prefault('30d').describe('A grant that nobody uses.'),
      grantAbsolute: seconds('1m', '3650d')
        .prefault('90d')
        .describe('A grant, however much it is used. After it, people sign in again.'),
      authorizationCode: seconds('10s', '10m').prefault('60s').describe('An authorization code.'),
      login: seconds('1m', '1h')
        .prefault('10m')
        .describe('How long somebody may take to approve and to sign in.'),
    })
    .check(
      // Written so that it holds where one of the two is faulty itself.
      z.refine(({ grantIdle, grantAbsolute }) => !(grantIdle > grantAbsolute), {
        error: 'must not be longer than grantAbsolute',
        path: ['grantIdle'],
        ...onSection,
      }),
    ),
  {
    accessToken: 'accessTokenSeconds',
    refreshGrace: 'refreshGraceSeconds',
    grantIdle: 'grantIdleSeconds',
    grantAbsolute: 'grantAbsoluteSeconds',
    authorizationCode: 'authorizationCodeSeconds',
    login: 'loginSeconds',
  },
)
  .prefault({})
  .describe('How long things live.')

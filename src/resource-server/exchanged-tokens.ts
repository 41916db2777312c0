import type { Grant } from '../domain/grant.ts'
import type { AssertionIssuer } from '../upstream/assertions.ts'
import type { AssertionCredential, ExchangeCredential } from '../upstream/credential.ts'
import type { FreshToken, Usable } from '../upstream/fresh-token.ts'
import type { UpstreamTokenSource } from '../upstream/tokens.ts'
import { createExchanges, type ExchangesOptions, usable } from './exchanges.ts'

/** What a backend can get where its clients' tokens are another server's: nothing that would pass them on, nothing that needs a login here. */
export type ExternalCredential = ExchangeCredential | AssertionCredential | { kind: 'none' }

export type ExchangedTokensOptions = ExchangesOptions & {
  /** What stands for a presented token; `undefined` where it has been forgotten. */
  grantOf: (grantId: string) => Grant | undefined
  credentialOf: (resource: string) => ExternalCredential | undefined
  assertions: AssertionIssuer
}

/** The call came with a token that was good; it only has to come again. */
const FORGOTTEN: FreshToken = {
  outcome: 'unavailable',
  reason: 'the token was forgotten meanwhile',
  retryAfterSeconds: 1,
}

/**
 * What backends get for the tokens of an external authorization server: an exchanged token, the gateway's own word, or nothing; never the token itself. What is not at hand is
 * exchanged anew, which spends nothing.
 */
export function createExchangedTokens(options: ExchangedTokensOptions): UpstreamTokenSource {
  const { grantOf, credentialOf, assertions } = options
  const exchanges = createExchanges(options)

  const peek = (grantId: string): Usable | undefined => {
    const grant = grantOf(grantId)
    const credential = grant && credentialOf(grant.resource)
    if (!credential) return undefined
    if (credential.kind === 'none') return usable(grant, undefined, 'cache')
    if (credential.kind === 'assertion') {
      return usable(grant, assertions.mint(grant, credential), 'cache')
    }
    return exchanges.find(grant, credential)
  }

  const resolve = async (grantId: string, correlationId: string): Promise<FreshToken> => {
    const known = peek(grantId) ?? exchanges.findFailure(grantId)
    if (known) return known
    const grant = grantOf(grantId)
    const credential = grant && credentialOf(grant.resource)
    if (!credential || !isExchange(credential)) return FORGOTTEN
    return exchanges.run(grant, credential, correlationId)
  }

  return {
    peek,
    resolve,
    resolveAfterRejection: async (grantId, rejected, correlationId) => {
      assertions.forget(grantId)
      if (exchanges.reject(grantId, rejected)) return { outcome: 'rejected' }
      return resolve(grantId, correlationId)
    },
    close: exchanges.close,
  }
}

function isExchange(credential: ExternalCredential): credential is ExchangeCredential {
  return credential.kind === 'exchange' || credential.kind === 'onBehalfOf'
}

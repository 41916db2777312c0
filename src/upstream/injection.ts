import { type Grant, NO_UPSTREAM } from '../domain/grant.ts'
import type { AssertionIssuer } from './assertions.ts'
import { type BackendCredential, findInjected, isLocal } from './credential.ts'
import { type Freshness, judgeFreshness } from './freshness.ts'

/** Whose tokens the backend of a resource takes, and in which form. */
export type Injection = { upstream: string; credential: BackendCredential }

export type InjectionOf = (resource: string) => Injection | undefined

/** What calls to a backend carry, by the grant that they are made with. */
export type Injector = {
  /**
   * `undefined` where the grant is another upstream's, or none's while the backend takes the upstream's tokens by now, or for no backend any more: then nothing of it may
   * reach one.
   */
  credentialOf(grant: Grant): BackendCredential | undefined
  /** @param jitter as of `judgeFreshness` */
  judge(grant: Grant, now: number, jitter: number): Freshness
  /** What is injected; `undefined` for a backend that gets nothing. */
  accessTokenOf(grant: Grant): string | undefined
  /** A backend has refused an assertion. */
  forgetAssertion(grantId: string): void
}

/** @param assertions mints for backends that get an assertion */
export function createInjector(injectionOf: InjectionOf, assertions: AssertionIssuer): Injector {
  const credentialOf = ({ resource, upstream }: Grant): BackendCredential | undefined => {
    const injection = injectionOf(resource)
    if (!injection) return undefined
    const { credential } = injection
    const fits = upstream === NO_UPSTREAM ? isLocal(credential) : upstream === injection.upstream
    return fits ? credential : undefined
  }
  return {
    credentialOf,
    forgetAssertion: assertions.forget,
    judge: (grant, now, jitter) => {
      const credential = credentialOf(grant)
      // It has no token that could age, and ends with its access token.
      if (credential && grant.upstream === NO_UPSTREAM) return 'fresh'
      const injected = credential && findInjected(grant.upstreamTokens, credential)
      return injected ? judgeFreshness(injected, now, jitter) : 'stale'
    },
    accessTokenOf: grant => {
      const credential = credentialOf(grant)
      if (!credential || credential.kind === 'none') return undefined
      if (credential.kind === 'assertion') return assertions.mint(grant, credential)
      return findInjected(grant.upstreamTokens, credential)?.accessToken
    },
  }
}

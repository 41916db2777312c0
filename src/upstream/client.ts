import { AsyncLocalStorage } from 'node:async_hooks'
import {
  allowInsecureRequests,
  Configuration,
  clockTolerance,
  customFetch,
  discovery,
} from 'openid-client'
import { createClientAuth } from './client-credential.ts'
import { createIdTokenVerifier, type IdTokenVerifier } from './id-token.ts'
import type { UpstreamOptions } from './options.ts'
import { asStatusSays, setIdTokenAside } from './response-body.ts'

/** How far the upstream's clock may be from ours. */
const CLOCK_TOLERANCE_SECONDS = 90

/** What one refresh hands to the fetch beneath it, and gets back from it. */
type RefreshScope = { signal: AbortSignal; idToken?: string }

/** The gateway as an OpenID Connect client of one upstream. */
export type UpstreamClient = {
  /**
   * The discovered configuration: asked for on first use, again after a failure, and remembered once it is there, so that an upstream that is down at start does not
   * stop the gateway from starting.
   */
  configuration(): Promise<Configuration>
  idTokens(): Promise<IdTokenVerifier>
  /**
   * Runs a refresh so that `signal` cancels its request, and so that its ID token is set aside before `openid-client` judges it: whatever is wrong with an ID token, the
   * rotated refresh token beside it must not be lost.
   */
  refreshing<T>(
    signal: AbortSignal,
    run: () => Promise<T>,
  ): Promise<{ result: T; idToken: string | undefined }>
}

/** @param send takes every request to the upstream */
export function createUpstreamClient(
  options: UpstreamOptions,
  send: typeof fetch = fetch,
): UpstreamClient {
  const scope = new AsyncLocalStorage<RefreshScope>()
  const fetchInScope = createScopedFetch(scope, options, send)
  const configuration = once(() => configure(options, fetchInScope))
  const idTokens = once(async () =>
    createIdTokenVerifier(await configuration(), {
      fetch: send,
      timeoutMs: options.timeoutMs,
    }),
  )
  return {
    configuration,
    idTokens,
    refreshing: async (signal, run) => {
      const mine: RefreshScope = { signal }
      const result = await scope.run(mine, run)
      return { result, idToken: mine.idToken }
    },
  }
}

/** The same promise each time, but for one that failed. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= work().catch(error => {
      made = undefined
      throw error
    })
    return made
  }
}

async function configure(
  options: UpstreamOptions,
  fetchInScope: typeof fetch,
): Promise<Configuration> {
  const { issuer, clientId, endpoints, timeoutMs } = options
  const metadata = { [clockTolerance]: CLOCK_TOLERANCE_SECONDS }
  const auth = createClientAuth(options)
  const execute = new URL(issuer).protocol === 'http:' ? [allowInsecureRequests] : []
  const timeout = timeoutMs / 1000
  const send = (url: string, init: object) => fetchInScope(url, init)
  if (!endpoints) {
    return discovery(new URL(issuer), clientId, metadata, auth, {
      timeout,
      [customFetch]: send,
      execute,
    })
  }
  const { authorization, token } = endpoints
  const server = { issuer, authorization_endpoint: authorization, token_endpoint: token }
  const configuration = new Configuration(server, clientId, metadata, auth)
  configuration[customFetch] = send
  configuration.timeout = timeout
  for (const extend of execute) extend(configuration)
  return configuration
}

/**
 * Every request has a connection of its own. A kept one may be closed by the upstream at the moment of its next use, and then nobody knows whether a code or a refresh
 * token was spent; a handshake an hour and user is cheaper.
 */
function createScopedFetch(
  scope: AsyncLocalStorage<RefreshScope>,
  { hasErrorsWith200 }: UpstreamOptions,
  send: typeof fetch,
): typeof fetch {
  const ask: typeof fetch = hasErrorsWith200
    ? async (url, init) => asStatusSays(await send(url, init))
    : send
  return async (url, init = {}) => {
    const headers = new Headers(init.headers)
    headers.set('connection', 'close')
    const refresh = scope.getStore()
    if (!refresh) return ask(url, { ...init, headers })
    const signals = [refresh.signal, ...(init.signal ? [init.signal] : [])]
    const response = await ask(url, { ...init, headers, signal: AbortSignal.any(signals) })
    return setIdTokenAside(response, idToken => {
      refresh.idToken = idToken
    })
  }
}

import { AsyncLocalStorage } from 'node:async_hooks'
import {
  allowInsecureRequests,
  type ClientAuth,
  ClientSecretBasic,
  ClientSecretPost,
  type Configuration,
  clockTolerance,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
} from 'openid-client'
import type { UpstreamOptions } from './options.ts'

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
  /**
   * Runs a refresh so that `signal` cancels its request, and so that its ID token is set aside before `openid-client` judges it: whatever is wrong with an ID token, the
   * rotated refresh token beside it must not be lost.
   */
  refreshing<T>(
    signal: AbortSignal,
    run: () => Promise<T>,
  ): Promise<{ result: T; idToken: string | undefined }>
}

export function createUpstreamClient(options: UpstreamOptions): UpstreamClient {
  const scope = new AsyncLocalStorage<RefreshScope>()
  const fetchInScope = createScopedFetch(scope)
  let discovered: Promise<Configuration> | undefined

  const configuration = (): Promise<Configuration> => {
    discovered ??= discover(options, fetchInScope).catch(error => {
      discovered = undefined
      throw error
    })
    return discovered
  }
  return {
    configuration,
    refreshing: async (signal, run) => {
      const mine: RefreshScope = { signal }
      const result = await scope.run(mine, run)
      return { result, idToken: mine.idToken }
    },
  }
}

function discover(options: UpstreamOptions, fetchInScope: typeof fetch): Promise<Configuration> {
  const insecure = new URL(options.issuer).protocol === 'http:'
  return discovery(
    new URL(options.issuer),
    options.clientId,
    { [clockTolerance]: CLOCK_TOLERANCE_SECONDS },
    clientAuth(options),
    {
      timeout: options.timeoutMs / 1000,
      [customFetch]: (url, init) => fetchInScope(url, init as RequestInit),
      // The ID token's signature is not verified without it.
      execute: [enableNonRepudiationChecks, ...(insecure ? [allowInsecureRequests] : [])],
    },
  )
}

/** Post rather than basic by default: basic percent-encodes `-` and `_`, which some upstreams do not undo. */
function clientAuth(options: UpstreamOptions): ClientAuth {
  return options.tokenAuthMethod === 'client_secret_basic'
    ? ClientSecretBasic(options.clientSecret)
    : ClientSecretPost(options.clientSecret)
}

/**
 * Every request has a connection of its own. A kept one may be closed by the upstream at the moment of its next use, and then nobody knows whether a code or a refresh
 * token was spent; a handshake an hour and user is cheaper.
 */
function createScopedFetch(scope: AsyncLocalStorage<RefreshScope>): typeof fetch {
  return async (url, init = {}) => {
    const headers = new Headers(init.headers)
    headers.set('connection', 'close')
    const refresh = scope.getStore()
    if (!refresh) return fetch(url, { ...init, headers })
    const signals = [refresh.signal, ...(init.signal ? [init.signal] : [])]
    const response = await fetch(url, { ...init, headers, signal: AbortSignal.any(signals) })
    return setIdTokenAside(response, refresh)
  }
}

async function setIdTokenAside(response: Response, refresh: RefreshScope): Promise<Response> {
  if (response.status !== 200 || !response.headers.get('content-type')?.includes('json'))
    return response
  const text = await response.text()
  const { status, statusText, headers } = response
  return new Response(withoutIdToken(text, refresh), { status, statusText, headers })
}

function withoutIdToken(text: string, refresh: RefreshScope): string {
  try {
    const { id_token: idToken, ...rest } = JSON.parse(text)
    if (typeof idToken === 'string') refresh.idToken = idToken
    return JSON.stringify(rest)
  } catch {
    // Not ours to judge: openid-client reports what it cannot parse.
    return text
  }
}

import type { ServerMetadata } from 'openid-client'
import * as z from 'zod'
import { reasonOf } from '../../observability/reason.ts'
import { createUpstreamClient } from '../../upstream/client.ts'
import { describeMetadataFault } from '../../upstream/metadata-fault.ts'
import type { UpstreamOptions } from '../../upstream/options.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

const keySet = z.object({ keys: z.array(z.unknown()).min(1) })

/** The gateway forgives 90 s in ID tokens. */
const SKEW_WARN_SECONDS = 10
const SKEW_FAIL_SECONDS = 90

/**
 * Looks at one identity provider as the gateway does: by its metadata. No user signs in, and no secret is sent.
 *
 * @param signsIn whether people are sent there
 */
export async function examineUpstream(
  options: UpstreamOptions,
  now: () => number,
  signsIn = true,
): Promise<Finding[]> {
  const { issuer, callbackUrl, timeoutMs } = options
  const register = signsIn ? [ok(`register this redirect URI there, exactly: ${callbackUrl}`)] : []
  if (options.endpoints)
    return [ok(`${issuer}: its endpoints are known, it has no metadata`), ...register]
  try {
    const configuration = await createUpstreamClient(options).configuration()
    const metadata = configuration.serverMetadata()
    return [
      ok(`${issuer}: metadata found, and its issuer is the configured one`),
      ...examineMetadata(metadata, options),
      ...(signsIn ? await examineKeys(metadata.jwks_uri, timeoutMs) : []),
      ...(await examineClock(issuer, timeoutMs, now)),
      ...register,
    ]
  } catch (error) {
    return [
      fail(
        `${issuer}: no usable metadata: ${describeMetadataFault(error)}`,
        'check upstream.issuer byte for byte (a final slash counts), DNS and the way out of this network',
      ),
      ...register,
    ]
  }
}

/** What is listed, is; what is not listed may be possible nevertheless, so that is no failure. */
function examineMetadata(metadata: ServerMetadata, options: UpstreamOptions): Finding[] {
  const { scopes, clientKey, clientAssertionFile, tokenAuthMethod } = options
  const offered = metadata.scopes_supported
  const missing = scopes.filter(scope => offered && !offered.includes(scope))
  const method = clientKey || clientAssertionFile ? 'private_key_jwt' : tokenAuthMethod
  // RFC 8414 section 2: what is meant where nothing is said.
  const methods = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
  return [
    missing.length === 0
      ? ok(`scopes: ${scopes.join(' ')}`)
      : warn(
          `its metadata does not list the scopes ${missing.join(' ')}`,
          'see that they exist there and are granted to the client, or take them out of upstream.scopes',
        ),
    methods.includes(method)
      ? ok(`client authentication: ${method}`)
      : warn(
          `its metadata does not list ${method}, but ${methods.join(', ')}`,
          'set upstream.tokenAuthMethod to one that is listed',
        ),
    metadata.revocation_endpoint
      ? ok('upstream tokens are revoked there when a grant ends')
      : warn(
          'it has no revocation endpoint: upstream tokens live on when a grant ends',
          'keep the life of its refresh tokens short',
        ),
  ]
}

async function examineKeys(url: string | undefined, timeoutMs: number): Promise<Finding[]> {
  if (url === undefined) return []
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new Error(`status ${response.status}`)
    }
    const { keys } = keySet.parse(await response.json())
    return [ok(`keys to verify its tokens with: ${keys.length}`)]
  } catch (error) {
    return [
      fail(
        `${url} has no usable keys, so that nobody can sign in: ${reasonOf(error)}`,
        'look at the identity provider, and at the way to this address',
      ),
    ]
  }
}

async function examineClock(
  issuer: string,
  timeoutMs: number,
  now: () => number,
): Promise<Finding[]> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) })
  await response.body?.cancel()
  const date = Date.parse(response.headers.get('date') ?? '')
  // The field has whole seconds, cut off.
  return Number.isNaN(date) ? [] : [judgeSkew('the identity provider', now() - date / 1000 - 0.5)]
}

/** @param seconds by which this machine is ahead */
export function judgeSkew(of: string, seconds: number): Finding {
  const size = Math.abs(seconds)
  const what = `clock: ${size.toFixed(1)} s ${seconds > 0 ? 'ahead of' : 'behind'} ${of}`
  if (size < SKEW_WARN_SECONDS) return ok(what)
  const fix = 'synchronise the clock of this machine (NTP)'
  return size < SKEW_FAIL_SECONDS ? warn(what, fix) : fail(what, fix)
}

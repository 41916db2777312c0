import { z } from 'zod'

/** What the gateway says itself in its requests to the IdP; a configured parameter must not overrule it. */
const OWN_PARAMETERS = new Set([
  'client_assertion',
  'client_assertion_type',
  'client_id',
  'client_secret',
  'code',
  'code_challenge',
  'code_challenge_method',
  'code_verifier',
  'grant_type',
  'nonce',
  'redirect_uri',
  'refresh_token',
  'request',
  'request_uri',
  'response_mode',
  'response_type',
  'scope',
  'state',
])

/** Further parameters of one request. */
export function parameters(description: string) {
  return z
    .record(z.string(), z.string())
    .check(
      z.superRefine<Record<string, unknown>>((map, context) => {
        for (const key of Object.keys(map).filter(key => OWN_PARAMETERS.has(key))) {
          context.addIssue({ code: 'custom', message: 'is set by the gateway itself', path: [key] })
        }
      }),
    )
    .prefault({})
    .describe(description)
}

import { judgeIdentity } from '../domain/access-rule.ts'
import type { Usable } from '../upstream/fresh-token.ts'
import type { Call } from './call.ts'
import type { Refusals } from './refusals.ts'

/**
 * Gives a call its upstream token, unless the grant behind it is not one that the backend lets in: by what the upstream says of the user by now.
 *
 * @returns whether the call goes on; it has been refused otherwise, in a way that does not send the client to another login, which would change nothing
 */
export function equip(
  call: Call,
  { grant, accessToken }: Usable,
  refusals: Pick<Refusals, 'fail'>,
): boolean {
  const { allow } = call.arrival.backend
  const decision = allow && judgeIdentity(allow, grant.identity)
  if (decision?.outcome === 'denied') {
    refusals.fail(call, 'forbidden', { reason: decision.reason })
    return false
  }
  call.accessToken = accessToken
  call.grantVersion = grant.version
  return true
}

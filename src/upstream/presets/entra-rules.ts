import type { FailureRule } from '../failure-rules.ts'
import type { PresetFault } from '../preset.ts'
import { qualifyScope, STANDARD_SCOPES } from '../template.ts'

/** What is particular about Entra ID: its error codes, its scopes, its tenants. */

const MULTI_TENANT = new Set(['organizations', 'common'])

/** Entra reads a bare scope as one of Microsoft Graph (AADSTS650053), so a bare name is taken as one of our own API. */
export const ENTRA_SCOPE_TEMPLATE = 'api://{clientId}/{scope}'

/** Seconds to leave Entra alone after it has noticed a loop. */
const LOOP_PAUSE_SECONDS = 60

/**
 * `error` alone is too coarse: `invalid_grant` stands for a throttled user as well as for a disabled one.
 *
 * @see https://learn.microsoft.com/entra/identity-platform/reference-error-codes
 */
export const ENTRA_FAILURES: readonly FailureRule[] = [
  { codes: ['50196'], kind: 'transient', retryAfterSeconds: LOOP_PAUSE_SECONDS },
  { codes: ['65001', '90094', '90095'], kind: 'dead', problem: 'consent-missing' },
  { codes: ['50057'], kind: 'dead', problem: 'account-disabled' },
  { codes: ['50105'], kind: 'dead', problem: 'not-assigned' },
  { codes: ['50020', '90072'], kind: 'dead', problem: 'wrong-tenant' },
  {
    codes: ['50076', '50078', '50079', '50158', '53000', '53001', '53002', '53003'],
    kind: 'dead',
    problem: 'conditional-access',
  },
  // On behalf of: the login's token is not for this app, or there is no such API. Another login would bring the same.
  { codes: ['50013', '500131', '500011'], kind: 'operator' },
  {
    codes: ['50089', '50133', '50173', '500133', '70000', '70008', '70043', '700082', '700084'],
    kind: 'dead',
  },
  { error: 'interaction_required', problem: 'conditional-access' },
  { error: 'consent_required', problem: 'consent-missing' },
]

/** What Entra would refuse at the first sign-in, or, worse, accept. */
export function findEntraFaults(settings: Readonly<Record<string, unknown>>): PresetFault[] {
  return [...findTenantFaults(settings), ...findScopeFaults(settings)]
}

function findTenantFaults({
  tenant,
  allowedTenants,
}: Readonly<Record<string, unknown>>): PresetFault[] {
  if (typeof tenant !== 'string') return []
  const isMulti = MULTI_TENANT.has(tenant)
  if (isMulti && allowedTenants === undefined) {
    const message = `is required with tenant: ${tenant}: the tenant ids whose users may sign in; without it anybody with a Microsoft account could`
    return [{ key: 'allowedTenants', message }]
  }
  if (!isMulti && allowedTenants !== undefined) {
    const message =
      'goes with tenant: organizations or common; otherwise the tenant is the only one'
    return [{ key: 'allowedTenants', message }]
  }
  return []
}

function findScopeFaults({ scopes, clientId }: Readonly<Record<string, unknown>>): PresetFault[] {
  if (!Array.isArray(scopes)) return []
  const ours = scopes.filter(scope => typeof scope === 'string' && !STANDARD_SCOPES.includes(scope))
  const fault = (message: string): PresetFault[] => [{ key: 'scopes', message }]
  if (ours.length === 0) {
    return fault(
      'needs a scope of your API, such as mcp.access (Expose an API): without one Entra issues tokens for Microsoft Graph',
    )
  }
  const qualified = ours.map(scope => qualifyScope(scope, ENTRA_SCOPE_TEMPLATE, { clientId }))
  if (qualified.length > 1 && qualified.some(scope => scope.endsWith('/.default'))) {
    return fault('.default stands alone: Entra refuses it beside named scopes (AADSTS70011)')
  }
  const resources = new Set(qualified.map(scope => scope.slice(0, scope.lastIndexOf('/'))))
  return resources.size > 1
    ? fault(
        `are of several resources, ${[...resources].join(' and ')}: Entra takes one a request (AADSTS28000)`,
      )
    : []
}

import type { Grant, Identity, UpstreamDeath, UpstreamTokens } from '../../domain/grant.ts'
import { OutageError } from '../../domain/outage.ts'
import { digest } from '../../domain/secret.ts'
import { digestSubject } from './keys.ts'
import type { SealedJson } from './sealed.ts'

/**
 * A grant as the fields of a hash. It is sealed in parts, by how often they change, so that new tokens are written without reading the rest. Each part is sealed for
 * its own place: parts of one grant cannot be exchanged either.
 */
export const GRANT_FIELDS = ['grant', 'identity', 'tokens', 'dead', 'version'] as const

/** The parts that stay as they are when tokens are written. */
const LASTING_PARTS = ['grant', 'identity'] as const

type Part = 'grant' | 'identity' | 'tokens' | 'dead'

/** What never changes. */
type Lasting = Pick<
  Grant,
  'clientId' | 'clientName' | 'upstream' | 'resource' | 'scope' | 'openedAt' | 'claims'
>

/** Which lists a grant is in, as digests. */
export type Lists = { subject: string; client: string }

/** The fields as they came, in the order of `GRANT_FIELDS`. */
export type GrantReply = readonly (string | undefined)[]

export type GrantRecords = {
  /** All fields of a new grant. */
  render(grant: Grant, key: string): string[]
  renderTokens(tokens: UpstreamTokens, key: string): string[]
  renderIdentity(identity: Identity, key: string): string[]
  renderDead(death: UpstreamDeath, key: string): string[]
  /**
   * @returns `undefined` where there is no grant
   * @throws OutageError where it does not open
   */
  parse(grantId: string, reply: GrantReply, key: string): Grant | undefined
  /** The lasting parts that are sealed with another key than the first, and the same sealed with it. */
  reseal(reply: GrantReply, key: string): { field: string; from: string; to: string }[]
}

export function createGrantRecords(sealed: SealedJson): GrantRecords {
  const place = (key: string, part: Part): string => `${key}#${part}`
  const renderPart = (part: Part, value: unknown, key: string): string[] => [
    part,
    sealed.seal(value, place(key, part)),
  ]

  return {
    render(grant, key) {
      const { grantId: _inKey, identity, upstreamTokens, version, dead, ...lasting } = grant
      return [
        ...renderPart('grant', lasting satisfies Lasting, key),
        ...renderPart('identity', identity, key),
        ...renderPart('tokens', upstreamTokens, key),
        ...(dead ? renderPart('dead', dead, key) : []),
        'version',
        `${version}`,
      ]
    },
    renderTokens: (tokens, key) => renderPart('tokens', tokens, key),
    renderIdentity: (identity, key) => renderPart('identity', identity, key),
    renderDead: (death, key) => renderPart('dead', death, key),
    parse(grantId, reply, key) {
      const [grant, identity, tokens, dead, version] = reply
      if (!grant && !version) return undefined
      if (!grant || !identity || !tokens || !version) {
        throw new OutageError('store', 'a stored grant is incomplete')
      }
      return {
        grantId,
        ...sealed.unseal<Lasting>(grant, place(key, 'grant')),
        identity: sealed.unseal<Identity>(identity, place(key, 'identity')),
        upstreamTokens: sealed.unseal<UpstreamTokens>(tokens, place(key, 'tokens')),
        version: Number(version),
        ...(dead && { dead: sealed.unseal<UpstreamDeath>(dead, place(key, 'dead')) }),
      }
    },
    reseal: (reply, key) =>
      LASTING_PARTS.flatMap(part => {
        const from = reply[GRANT_FIELDS.indexOf(part)]
        if (!from || sealed.isCurrent(from)) return []
        const to = sealed.seal(sealed.unseal(from, place(key, part)), place(key, part))
        return [{ field: part, from, to }]
      }),
  }
}

export function listsOf({ identity, clientId }: Pick<Grant, 'identity' | 'clientId'>): Lists {
  return { subject: digestSubject(identity.issuer, identity.subject), client: digest(clientId) }
}

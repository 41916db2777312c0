import type { Logger } from '../observability/log.ts'
import { describeMetadataFault } from '../upstream/metadata-fault.ts'
import type { UpstreamOptions } from '../upstream/options.ts'
import type { UpstreamOf } from '../upstream/refresh-context.ts'

/**
 * Looks for the metadata of each upstream once, so that a wrong issuer is told to its operator before the first user finds it out. Nothing waits for it, and nothing
 * else comes of it: what was not found is looked for again at the next login. A part of the composition in `gateway.ts`.
 */
export function lookForMetadata(
  upstreamOptions: readonly UpstreamOptions[],
  upstreamOf: UpstreamOf,
  logger: Logger,
): void {
  for (const { name, issuer } of upstreamOptions) {
    upstreamOf(name)
      ?.discover()
      .catch(error => {
        const line = { upstream: name, issuer, reason: describeMetadataFault(error) }
        logger.warn(
          line,
          'the identity provider has no usable metadata, and nobody can sign in there until it has: check the issuer byte for byte (a final slash counts), DNS and the way out of this network; `doctor` looks again',
        )
      })
  }
}

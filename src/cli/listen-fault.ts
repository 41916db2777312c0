const SEE = 'see listen.host and ops.host'

type Fault = { code: string; address?: string; port?: number; hostname?: string }

/** By the code of what Node.js throws where an address cannot be listened on. */
const WORDINGS: Readonly<Record<string, (fault: Fault) => string>> = {
  // The commonest failure of a start, above all of a second one beside the first.
  EADDRINUSE: fault => `${whereOf(fault)} is in use (EADDRINUSE); is a gateway running already?`,
  EACCES: fault =>
    `${whereOf(fault)} is not for this user (EACCES); ports below 1024 mostly are for root only`,
  EADDRNOTAVAIL: ({ address }) =>
    `${address} is no address of this computer (EADDRNOTAVAIL); ${SEE}`,
  ENOTFOUND: ({ hostname }) => `the name ${hostname} has no address (ENOTFOUND); ${SEE}`,
  EAI_AGAIN: ({ hostname }) => `the name ${hostname} cannot be looked up (EAI_AGAIN); ${SEE}`,
}

/** Why a listener cannot be had, in one line for people; `undefined` where something else is the matter. */
export function describeListenFault(error: unknown): string | undefined {
  if (!isFault(error) || !Object.hasOwn(WORDINGS, error.code)) return undefined
  return WORDINGS[error.code]?.(error)
}

/** Files have errors with the same codes, but neither port nor host name. */
function isFault(error: unknown): error is Error & Fault {
  if (!(error instanceof Error && 'code' in error)) return false
  return typeof error.code === 'string' && ('port' in error || 'hostname' in error)
}

function whereOf({ address = 'this computer', port }: Fault): string {
  return `port ${port ?? '?'} of ${address}`
}

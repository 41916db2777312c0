/**
 * What Node's strict parser lets pass and this gateway does not, because somebody else on the way may read it differently, or because what was parsed is not what would be sent on.
 *
 * @see RFC 9112 sections 2.3, 3.2 and 6.1
 */
import type { IncomingMessage } from 'node:http'

/** Why a request was refused before any handler saw it; a fixed list, since it is a label. */
export type RefusalReason =
  | 'malformed'
  | 'incomplete'
  | 'version'
  | 'host'
  | 'target'
  | 'transfer_coding'
  | 'expectation'
  | 'header_bytes'
  | 'header_fields'
  | 'chunk_extensions'
  | 'slow_request'
  | 'slow_body'
  | 'slow_reader'

export type RequestFault = { status: number; reason: RefusalReason }

const VERSION: RequestFault = { status: 505, reason: 'version' }
const TARGET: RequestFault = { status: 400, reason: 'target' }
const TOO_MANY: RequestFault = { status: 431, reason: 'header_fields' }
const HOST: RequestFault = { status: 400, reason: 'host' }
const UNKNOWN_CODING: RequestFault = { status: 501, reason: 'transfer_coding' }
const MISPLACED_CODING: RequestFault = { status: 400, reason: 'transfer_coding' }

/** `uri-host [ ":" port ]`, by its characters. */
const HOST_VALUE = /^[\w\-.~%!$&'()*+,;=:[\]]*$/

/** @param maxFields how many header fields a request may have */
export function findFault(req: IncomingMessage, maxFields: number): RequestFault | undefined {
  const { rawHeaders, httpVersionMajor, httpVersionMinor, url = '' } = req
  if (httpVersionMajor !== 1) return VERSION
  if (!isReadableTarget(url)) return TARGET
  if (rawHeaders.length > maxFields * 2) return TOO_MANY
  return findFieldFault(rawHeaders, httpVersionMinor === 1)
}

function findFieldFault(
  rawHeaders: readonly string[],
  knowsChunks: boolean,
): RequestFault | undefined {
  let hosts = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    const value = rawHeaders[index + 1] as string
    if (isCalled(name, 'host')) {
      hosts += 1
      // Node lets several pass and shows the first; somebody else may read another.
      if (hosts > 1 || !HOST_VALUE.test(value)) return HOST
    } else if (isCalled(name, 'transfer-encoding')) {
      // An older version knows no chunks: what stands in front of us may have seen another end of the message.
      if (!knowsChunks) return MISPLACED_CODING
      if (!isChunked(value)) return UNKNOWN_CODING
    }
  }
  return undefined
}

function isCalled(name: string, lower: string): boolean {
  return name.length === lower.length && name.toLowerCase() === lower
}

/** Node undoes chunks and nothing else, so under any other coding the body would go on encoded, and nothing would say so. */
function isChunked(coding: string): boolean {
  return coding === 'chunked' || coding.toLowerCase() === 'chunked'
}

/** Origin form, or the absolute form, which has to be taken though nobody sends it to a server. */
function isReadableTarget(url: string): boolean {
  if (url.includes('#')) return false
  return url.startsWith('/') || /^https?:\/\//i.test(url)
}

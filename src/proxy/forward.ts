import type { UpstreamTokenSource } from '../upstream/tokens.ts'
import {
  type Answer,
  type AnswerHead,
  EventStreamAnswer,
  GatheredAnswer,
  isEventStream,
  isSmall,
  StreamedAnswer,
} from './answer.ts'
import { Attempt, type AttemptEvents } from './attempt.ts'
import type { Instance } from './backends.ts'
import type { Call } from './call.ts'
import type { EventStreams } from './event-streams.ts'
import { createResponseHeadReader } from './headers.ts'
import { openListing } from './listing-answer.ts'
import type { Refusals } from './refusals.ts'

export type ForwardOptions = {
  tokens: UpstreamTokenSource
  streams: EventStreams
  /** The fields that the gateway adds, flat, with the call's present upstream token. */
  inject: (call: Call) => readonly string[]
  refusals: Pick<Refusals, 'fail' | 'failToken'>
  /** Learns of each answer's head. */
  onAnswer: (call: Call, head: Omit<AnswerHead, 'fields'>) => void
  onFinished: (call: Call) => void
}

/** Codes of undici that blame our own call of it. */
const OWN_FAULTS = new Set(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED'])

/**
 * Sends a call whose body and token are at hand, and its answer back.
 *
 * Another instance gets it only while not one byte of it has left this process, and the same call goes out a second time only after a backend has refused its token, once.
 * Whatever else goes wrong may have happened after the backend did its work, and is told to the client.
 */
export function createForward(options: ForwardOptions): (call: Call) => void {
  const { tokens, inject, refusals } = options
  const readResponseHead = createResponseHeadReader()

  const send = (call: Call, previous?: Error): void => {
    const { req, backend, head, search } = call.arrival
    const member = backend.balancer.take(call.tried)
    if (!member) {
      const reason = `none of ${call.tried.length} instances can be reached`
      refusals.fail(call, 'backendUnreachable', { reason, cause: previous })
      return
    }
    const attempt = new Attempt(call, member, events)
    call.tried.push(member)
    call.attempt = attempt
    const request = {
      path: pathAt(member.value, search),
      method: req.method ?? 'GET',
      headers: head.passed.concat(inject(call)),
      body: call.body ?? null,
    }
    member.value.pool.dispatch(request, attempt)
  }

  const replay = async (call: Call): Promise<void> => {
    const { claims, accessToken, arrival } = call
    const fresh = await tokens.resolveAfterRejection(
      claims.grantId,
      accessToken,
      arrival.correlationId,
    )
    if (call.isOver) return
    if (fresh.outcome !== 'usable') return refusals.failToken(call, fresh)
    call.accessToken = fresh.accessToken
    call.tried.length = 0
    send(call)
  }

  const events: AttemptEvents = {
    answered(attempt, received) {
      const { call } = attempt
      options.onAnswer(call, received)
      const fields = readResponseHead(received.received).concat(call.arrival.crossOrigin)
      return openAnswer(attempt, { ...received, fields }, options)
    },
    rejected({ call }) {
      if (call.wasRejected) {
        const reason = 'the backend refused a fresh token'
        return refusals.failToken(call, { outcome: 'gone', reason })
      }
      call.wasRejected = true
      replay(call).catch(cause => refusals.fail(call, 'unexpected', { reason: 'replay', cause }))
    },
    unsent({ call }, cause) {
      if (!OWN_FAULTS.has(codeOf(cause))) return send(call, cause)
      const reason = 'request refused by the HTTP client'
      refusals.fail(call, 'unexpected', { reason, cause })
    },
    lost({ call, member }, cause) {
      const isLate = codeOf(cause) === 'UND_ERR_HEADERS_TIMEOUT'
      const reason = `${isLate ? 'no answer in time from' : 'lost'} ${member.value.origin}`
      refusals.fail(call, isLate ? 'backendTimeout' : 'backendBroken', { reason, cause })
    },
    finished({ call }) {
      options.onFinished(call)
      call.end()
    },
  }

  return call => send(call)
}

type Opening = Pick<ForwardOptions, 'streams' | 'refusals'>

function openAnswer(attempt: Attempt, head: AnswerHead, { streams, refusals }: Opening): Answer {
  const { call } = attempt
  if (!call.conceals) return openWhole(attempt, head, streams)
  return openListing(head, {
    conceals: call.conceals,
    open: shown => openWhole(attempt, shown, streams),
    refuse: reason => {
      attempt.abort()
      refusals.fail(call, 'backendBroken', { reason: `the list of tools is ${reason}` })
    },
  })
}

function openWhole(attempt: Attempt, head: AnswerHead, streams: EventStreams): Answer {
  const { call } = attempt
  const { res } = call.arrival
  if (isEventStream(head)) {
    const finish = (): void => attempt.finish()
    const { isListening } = call
    return new EventStreamAnswer(res, head, streams, { isListening, finish })
  }
  return isSmall(head) ? new GatheredAnswer(res, head) : new StreamedAnswer(res, head)
}

function pathAt(instance: Instance, search: string): string {
  if (search === '' || search === '?') return instance.path + instance.search
  if (instance.search === '') return instance.path + search
  return `${instance.path}${instance.search}&${search.slice(1)}`
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : ''
}

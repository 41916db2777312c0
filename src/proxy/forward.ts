import type { UpstreamTokenSource } from '../upstream/tokens.ts'
import {
  type Answer,
  type AnswerHead,
  type AnswerSurroundings,
  EventStreamAnswer,
  GatheredAnswer,
  isEventStream,
  isSmall,
  StreamedAnswer,
} from './answer.ts'
import { Attempt, type AttemptEvents } from './attempt.ts'
import type { Instance } from './backends.ts'
import { createBlocks } from './blocks.ts'
import type { Call } from './call.ts'
import { runTraced } from './call-trace.ts'
import { equip } from './equipment.ts'
import type { EventStreams } from './event-streams.ts'
import { openListing } from './listing-answer.ts'
import type { Refusals } from './refusals.ts'
import { createResponseFieldsReader, type ResponseFields } from './response-fields.ts'

export type ForwardOptions = {
  tokens: UpstreamTokenSource
  streams: EventStreams
  /** Appends the fields that the gateway adds, with the call's present upstream token, to a flat list. */
  inject: (call: Call, fields: string[]) => void
  refusals: Pick<Refusals, 'fail' | 'failToken'>
  /** Learns of each answer's head. */
  onAnswer: (call: Call, fields: ResponseFields) => void
  onFinished: (call: Call) => void
}

/**
 * Sends a call whose body and token are at hand, and its answer back.
 *
 * Another instance gets it only while not one byte of it has left this process, and the same call goes out a second time only after a backend has refused its token, once.
 * Whatever else goes wrong may have happened after the backend did its work, and is told to the client.
 */
export function createForward(options: ForwardOptions): (call: Call) => void {
  const { streams, inject, refusals } = options
  const readFields = createResponseFieldsReader()
  const opening = { streams, writeCopy: createBlocks(), refusals }

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
    const fields = head.passed.slice()
    inject(call, fields)
    traceAttempt(call, member.value, fields)
    const path = pathAt(member.value, search)
    const { method = 'GET' } = req
    member.value.connector.dispatch({ path, method, fields, body: call.body }, attempt)
  }

  const replay = createReplay(options, send)
  const events: AttemptEvents = {
    answered(attempt, received) {
      const { call } = attempt
      const { status, statusText, rawFields } = received
      const fields = readFields(rawFields)
      call.arrival.trace?.answered(status)
      options.onAnswer(call, fields)
      fields.passed.push(...call.arrival.crossOrigin)
      return openAnswer(attempt, { status, statusText, fields }, opening)
    },
    rejected({ call }) {
      call.arrival.trace?.answered(401)
      if (call.wasRejected) {
        const reason = 'the backend refused a fresh token'
        return refusals.failToken(call, { outcome: 'gone', reason })
      }
      call.wasRejected = true
      replay(call).catch(cause => refusals.fail(call, 'unexpected', { reason: 'replay', cause }))
    },
    unsent({ call }, fault, cause) {
      if (fault !== 'malformed') return send(call, cause)
      refusals.fail(call, 'unexpected', { reason: 'request refused by the HTTP client', cause })
    },
    lost({ call, member }, fault, cause) {
      const isLate = fault === 'late'
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

/** Sends a call once more, with another token than the one that its backend has refused. */
function createReplay(
  { tokens, refusals }: Pick<ForwardOptions, 'tokens' | 'refusals'>,
  send: (call: Call) => void,
): (call: Call) => Promise<void> {
  return async call => {
    const { claims, accessToken, arrival } = call
    if (accessToken === undefined) {
      const reason = 'the backend wants a token, and is configured to get none'
      return refusals.fail(call, 'backendBroken', { reason })
    }
    const fresh = await runTraced(call, () =>
      tokens.resolveAfterRejection(claims.grantId, accessToken, arrival.correlationId),
    )
    if (call.isOver) return
    if (fresh.outcome !== 'usable') return refusals.failToken(call, fresh)
    if (!equip(call, fresh, refusals)) return
    call.tried.length = 0
    send(call)
  }
}

type Opening = AnswerSurroundings & Pick<ForwardOptions, 'refusals'>

function openAnswer(attempt: Attempt, head: AnswerHead, opening: Opening): Answer {
  const { call } = attempt
  if (!call.conceals) return openWhole(attempt, head, opening)
  return openListing(head, {
    conceals: call.conceals,
    open: shown => openWhole(attempt, shown, opening),
    refuse: reason => {
      attempt.abort()
      opening.refusals.fail(call, 'backendBroken', { reason: `the list of tools is ${reason}` })
    },
  })
}

function openWhole(attempt: Attempt, head: AnswerHead, surroundings: AnswerSurroundings): Answer {
  const { call } = attempt
  const { res } = call.arrival
  if (isEventStream(head.fields)) {
    const finish = (): void => attempt.finish()
    const { isListening } = call
    return new EventStreamAnswer(res, head, surroundings, { isListening, finish })
  }
  if (isSmall(head.fields)) return new GatheredAnswer(res, head)
  return new StreamedAnswer(res, head, surroundings.writeCopy)
}

function traceAttempt({ arrival, body }: Call, { origin, path }: Instance, fields: string[]): void {
  arrival.trace?.send(new URL(origin + path), body, fields)
}

function pathAt(instance: Instance, search: string): string {
  if (search === '' || search === '?') return instance.path + instance.search
  if (instance.search === '') return instance.path + search
  return `${instance.path}${instance.search}&${search.slice(1)}`
}

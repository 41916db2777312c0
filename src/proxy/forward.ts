import type { UpstreamTokenSource } from '../upstream/tokens.ts'
import {
  type Answer,
  type AnswerHead,
  type AnswerSurroundings,
  EventStreamAnswer,
  GatheredAnswer,
  isEventStream,
  isSmall,
  NO_ANSWER,
  StreamedAnswer,
} from './answers/answer.ts'
import { createBlocks } from './answers/blocks.ts'
import type { EventStreams } from './answers/event-streams.ts'
import { farewellOf } from './answers/farewell.ts'
import { openListing } from './answers/listing-answer.ts'
import { createResponseFieldsReader, type ResponseFields } from './answers/response-fields.ts'
import { Attempt, type AttemptEvents } from './attempt.ts'
import type { RepeatReason } from './backend-observer.ts'
import type { Instance } from './balancing/instance.ts'
import type { Call } from './call.ts'
import { runTraced } from './call-trace.ts'
import { findRequiredClaims } from './claims-challenge.ts'
import { abandon } from './connections.ts'
import { equip } from './equipment.ts'
import type { ExchangeFault } from './exchange.ts'
import type { Refusals } from './refusals.ts'
import { claimRepeat, isUnavailable, reasonOf } from './repeats.ts'

export type ForwardOptions = {
  tokens: UpstreamTokenSource
  streams: EventStreams
  /** Appends the fields that the gateway adds, with the call's present upstream token, to a flat list. */
  inject: (call: Call, fields: string[]) => void
  refusals: Pick<Refusals, 'fail' | 'failToken'>
  /** Learns of each answer's head. */
  onAnswer: (call: Call, fields: ResponseFields) => void
  onFinished: (call: Call) => void
  /** A call goes out once more, since `instance` gave no answer that is any use. */
  onRepeat: (call: Call, instance: Instance, reason: RepeatReason) => void
  /** In [0, 1). */
  random: () => number
}

const REFUSED_TWICE = { outcome: 'gone', reason: 'the backend refused a fresh token' } as const

/**
 * Sends a call whose body and token are at hand, and its answer back.
 *
 * Another instance gets it as long as not one byte of it has left this process. Whatever goes wrong later may have happened after the backend did its work: only what merely reads
 * goes out once more, the rest is told to the client. A call whose token a backend has refused was not processed, and is sent with another one, once.
 */
export function createForward(options: ForwardOptions): (call: Call) => void {
  const { streams, inject, refusals } = options
  const readFields = createResponseFieldsReader()
  const opening = { streams, writeCopy: createBlocks(), refusals, random: options.random }

  const send = (call: Call, previous?: Failed): void => {
    const member = call.arrival.backend.balancer.take(call.tried, call.load)
    if (!member) {
      sendToNobody(call, refusals, previous)
      return
    }
    const attempt = new Attempt(call, member, events)
    call.tried.push(member)
    call.attempt = attempt
    dispatch(attempt, inject)
  }

  const repeats = ({ call, member }: Attempt, reason: RepeatReason): boolean => {
    if (!claimRepeat(call, reason)) return false
    options.onRepeat(call, member.value, reason)
    return true
  }

  const replay = createReplay(options, send)
  const events: AttemptEvents = {
    answered(attempt, received) {
      const { call } = attempt
      const { status, statusText, rawFields } = received
      call.arrival.trace?.answered(status)
      if (isUnavailable(status) && repeats(attempt, 'unavailable')) {
        attempt.abort()
        send(call)
        return NO_ANSWER
      }
      const fields = readFields(status, rawFields)
      options.onAnswer(call, fields)
      fields.passed.push(...call.arrival.crossOrigin, ...call.arrival.keepAlive)
      const head = { status, statusText, fields }
      const open = (): Answer => openAnswer(attempt, head, opening)
      return call.companion ? call.companion.answered(head, open) : open()
    },
    rejected({ call }, rawFields) {
      call.arrival.trace?.answered(401)
      const wanted = findRequiredClaims(rawFields)
      // What is wanted of a login is asked for even so.
      if (call.wasRejected && wanted === undefined) return refusals.failToken(call, REFUSED_TWICE)
      replay(call, wanted).catch(cause =>
        refusals.fail(call, 'unexpected', { reason: 'replay', cause }),
      )
    },
    unsent({ call }, fault, cause) {
      if (fault !== 'malformed') return send(call, { fault, cause })
      refusals.fail(call, 'unexpected', { reason: 'request refused by the HTTP client', cause })
    },
    lost(attempt, fault, cause) {
      if (repeats(attempt, reasonOf(fault))) send(attempt.call, { fault, cause })
      else tellLost(attempt, fault, refusals, cause)
    },
    finished({ call }) {
      // It may have been refused at its very end, which was told then.
      if (call.isOver) return
      options.onFinished(call)
      call.end()
    },
  }

  return createStart(send)
}

/** What every call goes through once, however often it is sent. */
function createStart(send: (call: Call) => void): (call: Call) => void {
  return call => {
    const { backend } = call.arrival
    call.limits = backend.limitsOf(call.body, call.arrival.head.passed)
    backend.repeats.note()
    if (!backend.awaited) {
      send(call)
      return
    }
    void backend.awaited.then(() => {
      if (!call.isOver) send(call)
    })
  }
}

/** How the attempt before ended. */
type Failed = { fault: ExchangeFault; cause: Error }

/** All instances were tried, or those that were not have no room. */
function sendToNobody(call: Call, { fail }: ForwardOptions['refusals'], previous?: Failed): void {
  const { members } = call.arrival.backend.balancer
  if (members.some(member => !call.tried.includes(member))) {
    fail(call, 'overloaded', { reason: `no instance has room for more ${call.load}` })
    return
  }
  const cause = previous?.cause
  if (previous?.fault === 'starved') {
    fail(call, 'overloaded', { reason: 'no file descriptor is left for a connection', cause })
    return
  }
  const reason = `none of ${call.tried.length} instances can be reached`
  fail(call, 'backendUnreachable', { reason, cause })
}

function tellLost(
  { call, member }: Attempt,
  fault: ExchangeFault,
  { fail }: ForwardOptions['refusals'],
  cause: Error,
): void {
  const isLate = fault === 'late'
  const reason = `${isLate ? 'no answer in time from' : 'lost'} ${member.value.name}`
  fail(call, isLate ? 'backendTimeout' : 'backendBroken', { reason, cause })
}

/** Sends a call once more, with another token than the one that its backend has refused; not where the backend wants another login, which its client is told. */
function createReplay(
  { tokens, refusals }: Pick<ForwardOptions, 'tokens' | 'refusals'>,
  send: (call: Call) => void,
): (call: Call, wanted: string | undefined) => Promise<void> {
  return async (call, wanted) => {
    const isLast = call.wasRejected
    call.wasRejected = true
    const { claims, accessToken, arrival } = call
    if (accessToken === undefined) {
      const reason = 'the backend wants a token, and is configured to get none'
      return refusals.fail(call, 'backendBroken', { reason })
    }
    const fresh = await runTraced(call, () =>
      tokens.resolveAfterRejection(claims.grantId, accessToken, arrival.correlationId, wanted),
    )
    if (call.isOver) return
    if (fresh.outcome !== 'usable') return refusals.failToken(call, fresh)
    if (isLast) return refusals.failToken(call, REFUSED_TWICE)
    if (!equip(call, fresh, refusals)) return
    call.tried.length = 0
    send(call)
  }
}

type Opening = AnswerSurroundings & Pick<ForwardOptions, 'refusals' | 'random'>

/** By how much of their age streams end earlier, so that those that began together do not all come back together. */
const JITTER = 0.2

function openAnswer(attempt: Attempt, head: AnswerHead, opening: Opening): Answer {
  const { call } = attempt
  call.isAnsweredOnce = call.isListening && !isEventStream(head.fields)
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

function openWhole(attempt: Attempt, head: AnswerHead, opening: Opening): Answer {
  const { call } = attempt
  const { res, backend } = call.arrival
  if (isEventStream(head.fields)) {
    const draw = opening.random()
    return new EventStreamAnswer(res, head, opening, {
      isListening: call.isListening,
      draw,
      endsAt: performance.now() + backend.maxAgeMs * (1 - JITTER * draw),
      isLeft: () => attempt.member.isGone,
      finish: () => attempt.finish(),
      cut: () => cutOff(attempt, opening.refusals),
      farewell: () => farewellOf(call),
    })
  }
  if (isSmall(head.fields)) return new GatheredAnswer(res, head)
  return new StreamedAnswer(res, head, opening.writeCopy)
}

/** A stream that has to end does not come to the end of an event: whichever side keeps it from that. */
function cutOff(attempt: Attempt, refusals: ForwardOptions['refusals']): void {
  const { call } = attempt
  const { res } = call.arrival
  if (res.writableNeedDrain) {
    abandon(call)
    res.destroy()
    return
  }
  attempt.abort()
  refusals.fail(call, 'backendTimeout', { reason: 'a stream has stopped inside of an event' })
}

function dispatch(attempt: Attempt, inject: ForwardOptions['inject']): void {
  const { call, member } = attempt
  const { req, head, search, trace } = call.arrival
  const fields = head.passed.slice()
  inject(call, fields)
  trace?.send(member.value, call.body, fields)
  const path = pathAt(member.value, search)
  const { method = 'GET' } = req
  const { body, limits } = call
  const headersTimeoutMs = limits?.headersMs ?? 0
  member.value.connector.dispatch({ path, method, fields, body, headersTimeoutMs }, attempt)
}

function pathAt(instance: Instance, search: string): string {
  if (search === '' || search === '?') return instance.path + instance.search
  if (instance.search === '') return instance.path + search
  return `${instance.path}${instance.search}&${search.slice(1)}`
}

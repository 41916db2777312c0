import type { Context, MiddlewareHandler } from 'hono'
import { createId } from '../domain/secret.ts'

const VARIABLE = 'correlationId'
const CLIENT = 'client'

/** Gives each request an id that its log lines, its audit events and its error pages carry. A step of a flow replaces it with the flow's. */
export function correlate(): MiddlewareHandler {
  return async function correlation(c, next) {
    c.set(VARIABLE, createId())
    await next()
  }
}

export function correlationIdOf(c: Context): string {
  return c.get(VARIABLE)
}

export function setCorrelationId(c: Context, flowId: string): void {
  c.set(VARIABLE, flowId)
}

/** Who a request has proved to come from; for what is put on record about it. */
export type KnownClient = { clientId: string; clientName: string }

export function setClient(c: Context, { clientId, clientName }: KnownClient): void {
  c.set(CLIENT, { clientId, clientName })
}

export function findClient(c: Context): KnownClient | undefined {
  return c.get(CLIENT)
}

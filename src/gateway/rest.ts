import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'

/** Everything but the hot path. A part of the composition in `gateway.ts`. The listener leaves `Expect: 100-continue` to its handlers, and Hono knows nothing of it. */
export function createRest(app: Hono) {
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false })
  let underWay = 0
  return {
    underWay: () => underWay,
    handle: (req: IncomingMessage, res: ServerResponse): void => {
      underWay += 1
      res.once('close', () => {
        underWay -= 1
      })
      if (req.headers.expect !== undefined) res.writeContinue()
      void listener(req, res)
    },
  }
}

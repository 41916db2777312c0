import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Landscape, mcpUrl, startLandscape } from '../flow/landscape.ts'
import { registerClient } from '../flow/oauth-client.ts'
import { createBrowserAgent } from '../support/browser-agent.ts'
import { findFreePort } from '../support/free-port.ts'
import { runSuite } from './suite.ts'

let landscape: Landscape
beforeAll(async () => {
  landscape = await startLandscape()
})
afterAll(() => landscape?.close())

/** Does what the suite asks a person to do, as soon as it has asked. */
function createPerson() {
  const browser = createBrowserAgent({ secrets: landscape.secrets })
  let visit: Promise<unknown> | undefined
  return {
    listen: (output: string) => {
      const url = /^http\S*\/authorize\?\S+$/m.exec(output)?.[0]
      if (url === undefined) return
      visit ??= browser.open(url).then(page => browser.submit(page, { button: 'approve' }))
    },
    finish: () => visit,
  }
}

describe('the official suite for authorization servers', () => {
  // A confidential client cannot be shown with it: where `none` is supported the suite never sends its secret.
  it('finds nothing wrong', async () => {
    const port = await findFreePort()
    const redirect_uris = [`http://127.0.0.1:${port}/callback`]
    const client = await registerClient(landscape, { redirect_uris })
    const person = createPerson()
    const run = await runSuite(
      [
        ...['authorization', '--url', landscape.front.origin, '--client-id', client.clientId],
        ...['--resource', mcpUrl(landscape), '--port', String(port)],
      ],
      { onOutput: person.listen },
    )
    await person.finish()
    const { scenarios, failed, details, output } = run
    expect({ failed, details }, output).toEqual({ failed: [], details: [] })
    expect(scenarios).toEqual([
      'authorization-code-grant',
      'authorization-server-metadata-endpoint',
    ])
  }, 60_000)
})

import { createServer } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Listening, listen } from '../../src/dev/listen.ts'
import { createBrowserFetch } from '../../src/dev/localhost-names.ts'

let server: Listening

beforeAll(async () => {
  const echo = createServer((req, res) => {
    res.end(JSON.stringify([req.method, req.headers.host, req.headers['x-mark'], req.url]))
  })
  server = await listen(echo, 0, '127.0.0.1')
})

afterAll(() => server.close())

describe('names below localhost', () => {
  it.each(['idp.localhost', 'a.b.localhost', '127.0.0.1'])('are this computer: %s', async name => {
    const url = new URL(`http://${name}:${server.port}/path?query`)
    const response = await createBrowserFetch()(url, {
      method: 'PUT',
      headers: { 'x-mark': 'mark' },
    })
    expect(await response.json()).toEqual(['PUT', `${name}:${server.port}`, 'mark', '/path?query'])
  })
})

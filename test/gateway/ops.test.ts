import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createOps } from '../../src/gateway/ops.ts'
import { findFreePort } from '../support/free-port.ts'

const ops = createOps(async () => true, {
  metrics: async () => ({ contentType: 'text/plain', text: '' }),
})
let port: number

beforeAll(async () => {
  port = await findFreePort()
  await ops.listen(port, '127.0.0.1')
})

afterAll(() => ops.close())

describe('the ops listener', () => {
  it('answers load balancers that ask in HTTP/1.0 and name no host', async () => {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.write('GET /readyz HTTP/1.0\r\n\r\n')
    expect(await text(socket)).toMatch(/^HTTP\/1\.[01] 200 /)
  })
})

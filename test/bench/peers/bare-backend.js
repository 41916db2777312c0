// The backend's side of the two floors: one request at a time on each connection, and answers that say their length.
import { connect } from 'node:net'

/** @param finish gets what `send` was given, and the body of the answer to it as latin1 */
export function createBackend(base, finish) {
  const { hostname, port, host } = new URL(base)
  const buffer = Buffer.allocUnsafeSlow(65_536)
  const idle = []

  const open = () => {
    const connection = { target: undefined, text: '' }
    const callback = length => {
      connection.text += buffer.toString('latin1', 0, length)
      read(connection)
      return true
    }
    connection.socket = connect({
      ...{ host: hostname, port: Number(port), noDelay: true },
      onread: { buffer, callback },
    })
    return connection
  }

  const read = connection => {
    const { target, text } = connection
    const start = text.indexOf('\r\n\r\n') + 4
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1])
    if (start < 4 || text.length < start + length) return
    connection.text = ''
    idle.push(connection)
    finish(target, text.slice(start))
  }

  return {
    send(target, { method, path, authorization, body }) {
      const connection = idle.pop() ?? open()
      connection.target = target
      const fields = `host: ${host}\r\ncontent-type: application/json\r\nauthorization: ${authorization}`
      const head = `${method} ${path} HTTP/1.1\r\n${fields}\r\ncontent-length: ${body.length}\r\n\r\n`
      connection.socket.write(head + body, 'latin1')
    },
  }
}

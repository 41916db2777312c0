// What is left without Node's HTTP server: requests are cut at their length, and nothing is looked at. Nobody should run this.
import { connect, createServer } from 'node:net'

const [port, base] = process.argv.slice(2)
const backend = new URL(base)
const buffer = Buffer.allocUnsafeSlow(65_536)
const idle = []

function open() {
  const connection = { client: undefined, text: '' }
  const callback = length => {
    connection.text += buffer.toString('latin1', 0, length)
    finish(connection)
    return true
  }
  connection.socket = connect({
    ...{ host: backend.hostname, port: Number(backend.port), noDelay: true },
    onread: { buffer, callback },
  })
  return connection
}

function finish(connection) {
  const message = takeMessage(connection.text)
  if (!message) return
  connection.text = ''
  idle.push(connection)
  const { body } = message
  const fields = `content-type: application/json\r\ncontent-length: ${body.length}`
  connection.client.write(`HTTP/1.1 200 OK\r\n${fields}\r\n\r\n${body}`, 'latin1')
}

createServer({ noDelay: true }, socket => {
  let text = ''
  socket.on('error', () => socket.destroy())
  socket.on('data', piece => {
    text += piece.toString('latin1')
    const message = takeMessage(text)
    if (!message) return
    text = ''
    const { start, fields, body } = message
    const connection = idle.pop() ?? open()
    connection.client = socket
    const [method, path] = start.split(' ')
    const passed = `host: ${backend.host}\r\ncontent-type: application/json\r\nauthorization: ${fields.authorization}`
    const head = `${method} ${path} HTTP/1.1\r\n${passed}\r\ncontent-length: ${body.length}\r\n\r\n`
    connection.socket.write(head + body, 'latin1')
  })
}).listen(Number(port), '127.0.0.1')

function takeMessage(text) {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const [start, ...lines] = text.slice(0, end).split('\r\n')
  const fields = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    fields[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  const body = text.slice(end + 4)
  return body.length < Number(fields['content-length']) ? undefined : { start, fields, body }
}

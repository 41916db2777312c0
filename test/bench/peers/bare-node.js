// What Node.js itself needs to pass a call on: no fields but the necessary ones, no checks, no failures. Nobody should run this.
import { createServer } from 'node:http'
import { connect } from 'node:net'

const [port, base] = process.argv.slice(2)
const backend = new URL(base)
const buffer = Buffer.allocUnsafeSlow(65_536)
const idle = []

function open() {
  const connection = { res: undefined, text: '' }
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
  const { res, text } = connection
  const start = text.indexOf('\r\n\r\n') + 4
  const length = Number(/content-length: (\d+)/i.exec(text)?.[1])
  if (start < 4 || text.length < start + length) return
  connection.text = ''
  idle.push(connection)
  res.writeHead(200, ['content-type', 'application/json', 'content-length', String(length)])
  res.end(text.slice(start), 'latin1')
}

createServer({ keepAliveTimeout: 0 }, (req, res) => {
  const pieces = []
  req.on('data', piece => pieces.push(piece))
  req.on('end', () => {
    const body = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces)
    const connection = idle.pop() ?? open()
    connection.res = res
    const fields = `host: ${backend.host}\r\ncontent-type: application/json\r\nauthorization: ${req.headers.authorization}`
    const head = `${req.method} ${req.url} HTTP/1.1\r\n${fields}\r\ncontent-length: ${body.length}\r\n\r\n`
    connection.socket.write(head + body.toString('latin1'), 'latin1')
  })
}).listen(Number(port), '127.0.0.1')

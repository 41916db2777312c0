// What is left without Node's HTTP server: requests are cut at their length, and nothing is looked at. Nobody should run this.
import { createServer } from 'node:net'
import { createBackend } from './bare-backend.js'

const [port, base] = process.argv.slice(2)
const backend = createBackend(base, (socket, body) => {
  const fields = `content-type: application/json\r\ncontent-length: ${body.length}`
  socket.write(`HTTP/1.1 200 OK\r\n${fields}\r\n\r\n${body}`, 'latin1')
})

createServer({ noDelay: true }, socket => {
  let text = ''
  socket.on('error', () => socket.destroy())
  socket.on('data', piece => {
    text += piece.toString('latin1')
    const request = readRequest(text)
    if (!request) return
    text = ''
    backend.send(socket, request)
  })
}).listen(Number(port), '127.0.0.1')

function readRequest(text) {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const [start, ...lines] = text.slice(0, end).split('\r\n')
  const fields = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    fields[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  const body = text.slice(end + 4)
  if (body.length < Number(fields['content-length'])) return undefined
  const [method, path] = start.split(' ')
  return { method, path, authorization: fields.authorization, body }
}

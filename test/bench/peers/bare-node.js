// What Node.js itself needs to pass a call on: no fields but the necessary ones, no checks, no failures. Nobody should run this.
import { createServer } from 'node:http'
import { createBackend } from './bare-backend.js'

const [port, base] = process.argv.slice(2)
const backend = createBackend(base, (res, body) => {
  res.writeHead(200, ['content-type', 'application/json', 'content-length', String(body.length)])
  res.end(body, 'latin1')
})

createServer({ keepAliveTimeout: 0 }, (req, res) => {
  const pieces = []
  req.on('data', piece => pieces.push(piece))
  req.on('end', () => {
    const whole = pieces.length === 1 ? pieces[0] : Buffer.concat(pieces)
    const { method, url: path, headers } = req
    const { authorization } = headers
    backend.send(res, { method, path, authorization, body: whole.toString('latin1') })
  })
}).listen(Number(port), '127.0.0.1')

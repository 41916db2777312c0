// The best proxy of npm's, on undici: every request is passed on as it came.
import { createServer } from 'node:http'
import createFastProxy from 'fast-proxy'

const [port, base] = process.argv.slice(2)
const { proxy } = createFastProxy({ base, undici: { connections: 4096, pipelining: 1 } })
createServer((req, res) => proxy(req, res, req.url, {})).listen(Number(port), '127.0.0.1')

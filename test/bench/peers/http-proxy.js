import { Agent, createServer } from 'node:http'
import httpProxy from 'http-proxy'

const [port, base] = process.argv.slice(2)
const proxy = httpProxy.createProxyServer({ target: base, agent: new Agent({ keepAlive: true }) })
createServer((req, res) => proxy.web(req, res)).listen(Number(port), '127.0.0.1')

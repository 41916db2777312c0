import fastifyHttpProxy from '@fastify/http-proxy'
import fastify from 'fastify'

const [port, base] = process.argv.slice(2)
const server = fastify()
server.register(fastifyHttpProxy, { upstream: base })
await server.listen({ port: Number(port), host: '127.0.0.1' })

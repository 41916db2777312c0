// The obvious way: Hono's own proxy helper.
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { proxy } from 'hono/proxy'

const [port, base] = process.argv.slice(2)
const app = new Hono()
app.all('/*', c => proxy(new URL(c.req.path, base), { ...c.req, headers: c.req.header() }))
serve({ fetch: app.fetch, port: Number(port), hostname: '127.0.0.1' })

#!/usr/bin/env node
/** One instance of the sample backend as a process of its own. Serves until SIGTERM or SIGINT. */
import { parseArgs } from 'node:util'
import { createLogger } from '../observability/log.ts'
import { closeOnSignal } from './listen.ts'
import { startSampleBackend } from './sample-backend.ts'

const { values } = parseArgs({
  options: {
    host: { type: 'string', default: '127.0.0.1' },
    port: { type: 'string', default: '9101' },
    instance: { type: 'string', default: 'demo-1' },
  },
})
const { host, port, instance } = values
const backend = await startSampleBackend({ host, port: Number(port), instance })
createLogger('info').info({ url: backend.url, instance }, 'sample backend')
closeOnSignal(backend)

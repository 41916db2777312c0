/** Loaded before everything else, by `--import`: tells on standard error which modules of a package are loaded. */
import { registerHooks } from 'node:module'

const PACKAGE = /node_modules\/(@opentelemetry\/[^/]+)\//

registerHooks({
  load(url, context, nextLoad) {
    const [, name] = PACKAGE.exec(url) ?? []
    if (name !== undefined) process.stderr.write(`loaded ${name}\n`)
    return nextLoad(url, context)
  },
})

#!/usr/bin/env node
// A checkout has the sources, which Node runs as they are. The package has what they were built to:
// Node strips no types below node_modules.
import { existsSync } from 'node:fs'

const source = new URL('../src/main.ts', import.meta.url)
await import(existsSync(source) ? source.href : '../dist/main.js')

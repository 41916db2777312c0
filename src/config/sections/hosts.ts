import { z } from 'zod'
import { parseHostPattern } from '../../domain/host-pattern.ts'
import { parsed } from '../fields.ts'
import { Malformed } from '../malformed.ts'
import { distinct, itself } from '../shapes.ts'

/** A list of hosts: `example.com` is that one, `*.example.com` are all below it. */
export function hosts() {
  return z.array(parsed('host', parseHost)).check(distinct(itself, 'is listed twice'))
}

function parseHost(text: string): string {
  const pattern = parseHostPattern(text)
  if (pattern !== undefined) return pattern
  throw new Malformed('expected a host such as app.example.com or *.example.com, without a port')
}

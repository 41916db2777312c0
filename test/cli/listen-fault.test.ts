import { describe, expect, it } from 'vitest'
import { describeListenFault } from '../../src/cli/listen-fault.ts'

const errorWith = (fields: object) => Object.assign(new Error('as Node.js says it'), fields)

describe('a listener that cannot be had', () => {
  it.each([
    [
      { code: 'EADDRINUSE', address: '127.0.0.1', port: 8080 },
      'port 8080 of 127.0.0.1 is in use (EADDRINUSE); is a gateway running already?',
    ],
    [
      { code: 'EADDRINUSE', address: undefined, port: undefined },
      'port ? of this computer is in use (EADDRINUSE); is a gateway running already?',
    ],
    [
      { code: 'EACCES', address: '0.0.0.0', port: 443 },
      'port 443 of 0.0.0.0 is not for this user (EACCES); ports below 1024 mostly are for root only',
    ],
    [
      { code: 'EADDRNOTAVAIL', address: '192.0.2.1', port: 80 },
      '192.0.2.1 is no address of this computer (EADDRNOTAVAIL); see listen.host and ops.host',
    ],
    [
      { code: 'ENOTFOUND', hostname: 'localhots' },
      'the name localhots has no address (ENOTFOUND); see listen.host and ops.host',
    ],
    [
      { code: 'EAI_AGAIN', hostname: 'localhots' },
      'the name localhots cannot be looked up (EAI_AGAIN); see listen.host and ops.host',
    ],
  ])('is one line: %j', (fields, line) => {
    expect(describeListenFault(errorWith(fields))).toBe(line)
  })

  it.each([
    [errorWith({})],
    [errorWith({ code: 'ERR_ASSERTION', port: 1 })],
    [errorWith({ code: 'EACCES', path: '/etc/shadow' })],
    [errorWith({ code: 'constructor', port: 1 })],
    ['a text'],
  ])('is not what is the matter: %s', error => {
    expect(describeListenFault(error)).toBeUndefined()
  })
})

import { describe, expect, test } from 'vitest'
import { createResponseFieldsReader } from '../../../src/proxy/answers/response-fields.ts'

const readResponse = (rawFields: string[]) => createResponseFieldsReader()(200, rawFields).passed

describe('an answer on its way to a client', () => {
  test.each([
    ...['www-authenticate', 'set-cookie', 'transfer-encoding', 'keep-alive', 'trailer', 'upgrade'],
    ...['proxy-authenticate', 'access-control-allow-origin', 'access-control-expose-headers'],
    ...['server', 'x-powered-by', 'alt-svc', 'strict-transport-security', 'x-accel-redirect'],
  ])('loses %s', name => {
    const fields = [name, 'x', 'Content-Type', 'a/b', name.toUpperCase(), 'x']
    expect(readResponse(fields)).toEqual(['Content-Type', 'a/b'])
  })

  test('keeps the rest, repeated fields too', () => {
    const fields = ['X-Many', '1', 'vary', 'Accept', 'x-many', '2']
    expect(readResponse(fields)).toEqual(fields)
  })

  test('loses what its Connection nominates', () => {
    const fields = ['X-Hop', '1', 'Connection', 'x-hop, X-Other', 'x-other', '1', 'x-end', '2']
    expect(readResponse(fields)).toEqual(['x-end', '2'])
  })
})

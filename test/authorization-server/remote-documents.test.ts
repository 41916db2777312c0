import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createRemoteDocuments } from '../../src/authorization-server/remote-documents.ts'
import { createGuardedFetch, type FetchFailure } from '../../src/http/guarded-fetch.ts'
import { type DocumentServer, startDocumentServer } from '../support/document-server.ts'

const MINUTE = 60
const HOUR = 3600
const DAY = 24 * HOUR

let server: DocumentServer
let clock = 0
let failures: FetchFailure[] = []

beforeAll(async () => {
  server = await startDocumentServer()
})
beforeEach(() => {
  clock = 1_800_000_000
  failures = []
  server.seen.length = 0
  server.comeBack()
})
afterAll(() => server.close())

function createDocuments() {
  return createRemoteDocuments({
    fetchJson: createGuardedFetch({ network: server.network }),
    maxBytes: 1024,
    read: json => (json && typeof json === 'object' && 'v' in json ? json : 'has no v'),
    onFailure: (_, failure) => void failures.push(failure),
    now: () => clock,
    name: 'client_documents',
  })
}

let paths = 0

/** A new path with a document whose version can be changed. */
function publish(headers: Record<string, string> = {}) {
  const path = `/${++paths}`
  const put = (v: unknown, status = 200) => server.publish(path, { status, headers, body: { v } })
  put(1)
  return { url: server.url(path), put, path }
}

const found = (v: unknown) => ({ outcome: 'found', value: { v } })

describe('freshness (RFC 9111), from 5 minutes to a day', () => {
  const date = (seconds: number) => new Date(Date.now() + seconds * 1000).toUTCString()

  it.each<[string, Record<string, string>, number]>([
    ['nothing is said', {}, 5 * MINUTE],
    ['max-age=60', { 'cache-control': 'max-age=60' }, 5 * MINUTE],
    ['max-age=3600', { 'cache-control': 'max-age=3600' }, HOUR],
    ['s-maxage before max-age', { 'cache-control': 'max-age=60, s-maxage=7200' }, 2 * HOUR],
    ['a week', { 'cache-control': 'public, max-age=604800, immutable' }, DAY],
    ['an age', { 'cache-control': 'max-age=3600', age: '1800' }, 30 * MINUTE],
    ['an age beyond', { 'cache-control': 'max-age=3600', age: '9999' }, 5 * MINUTE],
    ['a senseless age', { 'cache-control': 'max-age=3600', age: 'old' }, HOUR],
    ['no-store', { 'cache-control': 'no-store' }, 5 * MINUTE],
    ['no-cache', { 'cache-control': 'no-cache' }, 5 * MINUTE],
    ['private', { 'cache-control': 'private, max-age=3600' }, 5 * MINUTE],
    ['Expires', { expires: date(HOUR), date: date(0) }, HOUR],
    ['Expires in the past', { expires: date(-HOUR), date: date(0) }, 5 * MINUTE],
  ])('%s', async (_, headers, freshSeconds) => {
    const documents = createDocuments()
    const { url, put } = publish(headers)
    expect(await documents.find(url)).toEqual(found(1))
    put(2)
    clock += freshSeconds - 2
    expect(await documents.find(url)).toEqual(found(1))
    clock += 4
    expect(await documents.find(url)).toEqual(found(2))
    expect(server.seen).toHaveLength(2)
  })
})

describe('many at once', () => {
  it('share one fetch, also of a failure', async () => {
    const documents = createDocuments()
    const { url } = publish()
    const answers = await Promise.all(Array.from({ length: 20 }, () => documents.find(url)))
    expect(answers).toEqual(Array(20).fill(found(1)))
    await Promise.all(
      Array.from({ length: 20 }, () => documents.find(server.url('/not-published'))),
    )
    expect(server.seen).toHaveLength(2)
    expect(failures).toHaveLength(1)
  })
})

describe('failures', () => {
  it('are not tried again for ten seconds, and are not remembered longer', async () => {
    const documents = createDocuments()
    const { url, put } = publish()
    put(1, 404)
    expect(await documents.find(url)).toMatchObject({ outcome: 'refused' })
    put(2)
    clock += 9
    expect(await documents.find(url)).toMatchObject({ outcome: 'refused' })
    expect(server.seen).toHaveLength(1)
    clock += 2
    expect(await documents.find(url)).toEqual(found(2))
  })

  it.each([
    ['a server that is down', () => server.goDown()],
    ['a server in trouble', (put: (v: unknown, status: number) => void) => put(2, 503)],
  ])('of %s leave the copy in use, for a day', async (_, fail) => {
    const documents = createDocuments()
    const { url, put } = publish()
    await documents.find(url)
    fail(put)
    for (const elapsed of [6 * MINUTE, HOUR, 22 * HOUR]) {
      clock += elapsed
      expect(await documents.find(url)).toEqual(found(1))
    }
    clock += DAY
    expect(await documents.find(url)).toMatchObject({ outcome: 'unreachable' })
  })

  it.each([
    ['is gone', (put: (v: unknown, status?: number) => void) => put(2, 404)],
    ['is no longer acceptable', (put: (v: unknown) => void) => put(undefined)],
  ])('of a document that %s end its copy', async (_, withdraw) => {
    const documents = createDocuments()
    const { url, put } = publish()
    await documents.find(url)
    withdraw(put)
    clock += 6 * MINUTE
    expect(await documents.find(url)).toMatchObject({ outcome: 'refused' })
    server.goDown()
    clock += MINUTE
    expect(await documents.find(url)).toMatchObject({ outcome: 'unreachable' })
  })

  it('of one document say nothing about another', async () => {
    const documents = createDocuments()
    const { url } = publish()
    expect(await documents.find(server.url('/not-published'))).toMatchObject({ outcome: 'refused' })
    expect(await documents.find(url)).toEqual(found(1))
  })

  it('however many push out no copy', async () => {
    let fetches = 0
    const documents = createRemoteDocuments({
      fetchJson: async url => {
        if (url !== 'good') return { outcome: 'refused', reason: 'no' }
        fetches += 1
        return { outcome: 'fetched', value: {}, headers: {} }
      },
      maxBytes: 1,
      read: () => ({}),
      onFailure: () => {},
      now: () => clock,
      name: 'client_documents',
    })
    await documents.find('good')
    for (let i = 0; i < 3000; i++) await documents.find(`bad ${i}`)
    expect(await documents.find('good')).toMatchObject({ outcome: 'found' })
    expect(fetches).toBe(1)
  })
})

describe('renewal', () => {
  it('fetches again, but not within half a minute', async () => {
    const documents = createDocuments()
    const { url, put } = publish({ 'cache-control': 'max-age=3600' })
    await documents.find(url)
    put(2)
    clock += 29
    expect(await documents.renew(url)).toEqual(found(1))
    clock += 2
    expect(await documents.renew(url)).toEqual(found(2))
    expect(await documents.find(url)).toEqual(found(2))
    expect(server.seen).toHaveLength(2)
  })

  it('that fails leaves the copy', async () => {
    const documents = createDocuments()
    const { url } = publish()
    await documents.find(url)
    server.goDown()
    clock += MINUTE
    expect(await documents.renew(url)).toEqual(found(1))
  })
})

import { afterEach, describe, expect, it } from 'vitest'
import { createPublicNetwork } from '../../src/http/guarded-connector.ts'
import { createGuardedFetch } from '../../src/http/guarded-fetch.ts'
import { startDocumentServer, startInternalServer } from '../support/document-server.ts'
import { type NameServer, startNameServer } from '../support/name-server.ts'

let names: NameServer | undefined

afterEach(async () => {
  await names?.close()
  names = undefined
})

async function networkOf(answer: Parameters<typeof startNameServer>[0]) {
  names = await startNameServer(answer)
  return createPublicNetwork(names.resolver)
}

describe('the public network', () => {
  it('has the IPv4 and the IPv6 addresses of a name, asked of the name servers', async () => {
    const network = await networkOf((_, type) =>
      type === 'A' ? ['1.1.1.1', '8.8.8.8'] : ['2a00::1'],
    )
    expect(await network.resolve('app.example.com')).toEqual([
      { address: '1.1.1.1', family: 4 },
      { address: '8.8.8.8', family: 4 },
      { address: '2a00::1', family: 6 },
    ])
  })

  it.each(['A', 'AAAA'] as const)('is content with %s records alone', async only => {
    const address = only === 'A' ? '1.1.1.1' : '2a00::1'
    const network = await networkOf((_, type) => (type === only ? [address] : []))
    expect(await network.resolve('app.example.com')).toMatchObject([{ address }])
  })

  it('rejects a name that is not there', async () => {
    const network = await networkOf(() => undefined)
    await expect(network.resolve('nothing.example.com')).rejects.toMatchObject({
      code: 'ENOTFOUND',
    })
  })

  it('does not know the hosts file of this computer', async () => {
    const network = await networkOf(() => undefined)
    await expect(network.resolve('localhost')).rejects.toMatchObject({ code: 'ENOTFOUND' })
    expect(names?.questions).toContain('localhost A')
  })

  it('is asked once more about where the socket has come to', async () => {
    const documents = await startDocumentServer()
    documents.publish('/client.json', { body: {} })
    const asked: string[] = []
    const isAllowed = (address: string): boolean => asked.push(address) === 1
    const guardedFetch = createGuardedFetch({ network: { ...documents.network, isAllowed } })
    expect(await guardedFetch(documents.url('/client.json'), 1024)).toMatchObject({
      outcome: 'refused',
    })
    expect(asked).toEqual(['127.0.0.1', '127.0.0.1'])
    expect(documents.seen).toEqual([])
    await documents.close()
  })

  it('lets a name server that rebinds reach nothing inside', async () => {
    const documents = await startDocumentServer()
    const internal = await startInternalServer('127.0.0.2', documents.port)
    const answers = ['127.0.0.1', '127.0.0.2']
    const network = await networkOf((_, type) =>
      type === 'A' ? [answers.length > 1 ? (answers.shift() ?? '') : '127.0.0.2'] : [],
    )
    documents.publish('/client.json', { body: {} })
    const { ca, isAllowed } = documents.network
    const guardedFetch = createGuardedFetch({
      network: { ...network, isAllowed, ...(ca !== undefined && { ca }) },
    })
    const url = documents.url('/client.json')
    expect(await guardedFetch(url, 1024)).toMatchObject({ outcome: 'fetched' })
    expect(await guardedFetch(url, 1024)).toMatchObject({ outcome: 'refused' })
    expect(internal).toMatchObject({ connections: 0, bytes: 0 })
    expect(names?.questions.filter(question => question.endsWith(' A'))).toHaveLength(2)
    await Promise.all([documents.close(), internal.close()])
  })
})

import { connect, createServer, type Socket } from 'node:net'

export type LossyProxy = {
  port: number
  /** The next time a client sends `text`, the server gets it and answers, but the connection breaks before the answer arrives. */
  loseAnswerTo(text: string): void
  /** How many answers were lost so far. */
  readonly lost: number
  close(): Promise<void>
}

/** A TCP proxy on loopback that can lose an answer: the one case in which a client cannot know whether its request was done. */
export async function startLossyProxy(serverPort: number, port = 0): Promise<LossyProxy> {
  const sockets = new Set<Socket>()
  let awaited: string | undefined
  let lost = 0

  const server = createServer(client => {
    const upstream = connect(serverPort, '127.0.0.1')
    let isLosing = false
    const end = (): void => {
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', end)
      socket.on('close', () => {
        sockets.delete(socket)
        end()
      })
    }
    client.on('data', data => {
      if (awaited !== undefined && data.includes(awaited)) {
        awaited = undefined
        isLosing = true
      }
      upstream.write(data)
    })
    upstream.on('data', data => {
      if (!isLosing) return void client.write(data)
      lost += 1
      end()
    })
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    loseAnswerTo(text) {
      awaited = text
    },
    get lost() {
      return lost
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

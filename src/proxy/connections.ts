import type { Socket } from 'node:net'
import type { Call } from './call.ts'

/** Which calls a client's connection waits for, so that one listener per connection, not per request, tells them that it is gone. */
export type Connections = {
  join(socket: Socket, call: Call): void
  leave(socket: Socket, call: Call): void
}

export function createConnections(): Connections {
  const connections = new WeakMap<Socket, Set<Call>>()

  const open = (socket: Socket): Set<Call> => {
    const calls = new Set<Call>()
    connections.set(socket, calls)
    socket.once('close', () => {
      for (const call of [...calls]) call.abandon()
    })
    return calls
  }

  return {
    join(socket, call) {
      const calls = connections.get(socket) ?? open(socket)
      calls.add(call)
    },
    leave(socket, call) {
      connections.get(socket)?.delete(call)
    },
  }
}

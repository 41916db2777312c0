import type { Socket } from 'node:net'
import type { Call } from './call.ts'
import { noteEnded } from './observer.ts'

/** Which calls a client's connection waits for, so that one listener per connection, not per request, tells them that it is gone. */
export type Connections = {
  join(socket: Socket, call: Call): void
  leave(socket: Socket, call: Call): void
  /** How many calls there are on all connections. */
  count(): number
  all(): Iterable<Call>
}

export function createConnections(): Connections {
  const connections = new Map<Socket, Set<Call>>()
  let count = 0

  const open = (socket: Socket): Set<Call> => {
    const calls = new Set<Call>()
    connections.set(socket, calls)
    socket.once('close', () => {
      for (const call of [...calls]) abandon(call)
      connections.delete(socket)
    })
    return calls
  }

  return {
    join(socket, call) {
      const calls = connections.get(socket) ?? open(socket)
      calls.add(call)
      count += 1
    },
    leave(socket, call) {
      if (connections.get(socket)?.delete(call)) count -= 1
    },
    count: () => count,
    *all() {
      for (const calls of connections.values()) yield* calls
    },
  }
}

/** The client has left: whatever a backend is doing for it ends now. */
export function abandon(call: Call): void {
  const { attempt } = call
  if (!call.isOver) noteEnded(call.arrival, 'abandoned')
  call.end()
  attempt?.abort()
}

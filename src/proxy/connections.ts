import type { Socket } from 'node:net'
import type { Call } from './call.ts'
import { noteEnded } from './observer.ts'

/** Which calls a client's connection waits for, so that one listener per connection, not per request, tells them that it is gone. */
export type Connections = {
  join(socket: Socket, call: Call): void
  /** To be called once for each that has joined. */
  leave(call: Call): void
  /** How many calls there are on all connections. */
  count(): number
  all(): Iterable<Call>
}

export function createConnections(): Connections {
  const connections = new Map<Socket, Call[]>()
  let count = 0

  const open = (socket: Socket): Call[] => {
    const calls: Call[] = []
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
      calls.push(call)
      call.neighbours = calls
      count += 1
    },
    leave(call) {
      remove(call.neighbours, call)
      count -= 1
    },
    count: () => count,
    *all() {
      for (const calls of connections.values()) if (calls.length > 0) yield* [...calls]
    },
  }
}

/** Nearly always it is the only one. */
function remove(calls: Call[], call: Call): void {
  if (calls.at(-1) === call) calls.pop()
  else calls.splice(calls.indexOf(call), 1)
}

/** The client has left: whatever a backend is doing for it ends now. */
export function abandon(call: Call): void {
  const { attempt } = call
  if (!call.isOver) noteEnded(call.arrival, 'abandoned')
  call.end()
  attempt?.abort()
}

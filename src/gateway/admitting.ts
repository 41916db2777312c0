import type { Admit } from '../proxy/admission.ts'

/** An admission that says how many tokens are being verified: their calls are under way, though the proxy does not count them yet. A part of the composition in `gateway.ts`. */
export function countAdmitting({ peek, resolve }: Admit): Admit & { underWay(): number } {
  let underWay = 0
  return {
    peek,
    underWay: () => underWay,
    async resolve(authorization, resource) {
      underWay += 1
      try {
        return await resolve(authorization, resource)
      } finally {
        underWay -= 1
      }
    },
  }
}

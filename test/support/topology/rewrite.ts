import type { ComposeService } from './compose.ts'

/** From a service's name and its port to the loopback port that stands for it. */
export type Ports = ReadonlyMap<string, ReadonlyMap<number, number>>

/**
 * Turns a text that is meant for a service into one for a process on this computer, where all services share one address: names and ports become loopback ports, the ports on
 * which the service listens become its own ones there.
 */
export function rewrite(
  text: string,
  own: ComposeService,
  services: readonly ComposeService[],
  ports: Ports,
): string {
  const local = (name: string, port: string): string =>
    `${ports.get(name)?.get(Number(port)) ?? `unknown-port-${port}-of-${name}`}`
  let result = text
    .replaceAll(/(?<=^ *server (\S+) .* port )\d+$/gm, (port, name: string) => local(name, port))
    .replaceAll(/(?<=\bport[:=] ?)\d+/g, port => local(own.name, port))
    .replaceAll(/(?<=^ *bind ):(\d+)/gm, (_, port: string) => `127.0.0.1:${local(own.name, port)}`)
    .replaceAll('0.0.0.0', '127.0.0.1')
  for (const { name, names, published } of services) {
    for (const [outside, inside] of published) {
      const address = new RegExp(`(?<=//localhost:)${outside}\\b`, 'g')
      result = result.replaceAll(address, local(name, `${inside}`))
    }
    for (const one of names) {
      const address = new RegExp(`(?<![\\w.-])${one.replaceAll('.', String.raw`\.`)}:(\\d+)`, 'g')
      result = result.replaceAll(address, (_, port) => `127.0.0.1:${local(name, port)}`)
    }
  }
  return result
}

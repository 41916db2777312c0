/** Something that a backend can say has changed. */
export type ListName = 'tools' | 'prompts' | 'resources'

/**
 * The requests whose answers are kept, and what makes them out of date before their time. The contents of resources are no list: whether they have changed is told only to those who
 * have subscribed to each.
 *
 * @see MCP 2026-07-28, "Caching" and "Subscriptions"
 */
const LIST_OF: ReadonlyMap<string, ListName | 'server'> = new Map([
  ['tools/list', 'tools'],
  ['prompts/list', 'prompts'],
  ['resources/list', 'resources'],
  ['resources/templates/list', 'resources'],
  ['server/discover', 'server'],
])

/** @returns `undefined` for a method whose answers are not kept */
export function listOf(method: string): ListName | 'server' | undefined {
  return LIST_OF.get(method)
}

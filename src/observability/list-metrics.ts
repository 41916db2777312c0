import { type Cell, createCounterFamily } from './instruments.ts'

/** What is counted of the cache of one backend's lists. */
export type ListMetrics = {
  /** @param how from a fixed list */
  listAnswered(how: string): void
  /** @param list from a fixed list */
  listChanged(list: string): void
}

const ANSWERS = ['hit', 'coalesced', 'stale', 'miss', 'bypass']

/** @param prefix of all names */
export function createListMetrics(prefix: string): {
  /** Goes on counting for a name that was there before. */
  backend(name: string): ListMetrics
  render(): string
} {
  const requests = createCounterFamily({
    name: `${prefix}list_cache_requests_total`,
    help: 'Requests for lists of backends whose lists are kept, by how they were answered.',
    labelNames: ['backend', 'result'],
  })
  const changes = createCounterFamily({
    name: `${prefix}list_cache_invalidations_total`,
    help: 'Notifications that a list has changed, seen on streams of this process.',
    labelNames: ['backend', 'list'],
  })
  return {
    backend(name) {
      const [results, lists] = [new Map<string, Cell>(), new Map<string, Cell>()]
      // A counter that appears with its first event has no increase there.
      for (const how of ANSWERS) results.set(how, requests.cell(name, how))
      return {
        listAnswered: how => count(results, how, () => requests.cell(name, how)),
        listChanged: list => count(lists, list, () => changes.cell(name, list)),
      }
    },
    render: () => requests.render() + changes.render(),
  }
}

function count(cells: Map<string, Cell>, label: string, find: () => Cell): void {
  const cell = cells.get(label) ?? find()
  cells.set(label, cell)
  cell.value += 1
}

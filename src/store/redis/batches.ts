/** More at once would keep everything else waiting, and the last of them beyond their own deadline. */
const AT_ONCE = 200

/** Works on a list that may be long, a batch after the other. */
export async function inBatches<Item, Result>(
  items: readonly Item[],
  act: (batch: readonly Item[]) => Promise<Result[]>,
): Promise<Result[]> {
  const results: Result[] = []
  for (let from = 0; from < items.length; from += AT_ONCE) {
    results.push(...(await act(items.slice(from, from + AT_ONCE))))
  }
  return results
}

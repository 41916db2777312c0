/**
 * The candidate that somebody most likely meant by `word`: at most two letters differ (one in a short word), and case, dashes and underscores do not
 * count.
 *
 * @returns `undefined` where none is near
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const limit = word.length < 4 ? 1 : 2
  const [best] = candidates
    .map(candidate => ({ candidate, distance: distance(fold(word), fold(candidate)) }))
    .filter(({ distance }) => distance <= limit)
    .sort((left, right) => left.distance - right.distance)
  return best?.candidate
}

/** Levenshtein's: how many letters must be added, removed or replaced. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [above, letter] of [...from].entries()) {
    const next = [above + 1]
    for (let index = 0; index < to.length; index++) {
      const replaced = (row[index] ?? 0) + (letter === to[index] ? 0 : 1)
      next.push(Math.min(replaced, (row[index + 1] ?? 0) + 1, (next[index] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}

function fold(word: string): string {
  return word.slice(0, 64).toLowerCase().replaceAll(/[_-]/g, '')
}

/** Enough for every honest name, and too little for a message. */
const LONGEST_NAME = 80

/** Beyond this nothing is looked at, so a huge name costs no more than a long one. */
const LONGEST_INPUT = 1000

const BLANK = /[\p{Z}\t-\r\u0085\u2800]/gu
const INVISIBLE = /[\p{C}\p{Default_Ignorable_Code_Point}]/gu
const STACKED_MARKS = /(\p{M}{4})\p{M}+/gu

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/**
 * A name that a stranger chose, as it may be shown: one line, nothing invisible, nothing that turns the direction of the text around it, no tower of accents,
 * at most 80 characters as a reader counts them. It is neither escaped nor isolated; put it into a `<bdi>`.
 *
 * @returns `undefined` where nothing visible is left.
 * @see Unicode UAX #9 (explicit directional formatting), UTS #39
 */
export function displayName(text: string): string | undefined {
  const visible = text
    .slice(0, LONGEST_INPUT)
    .replace(BLANK, ' ')
    .replace(INVISIBLE, '')
    .replace(STACKED_MARKS, '$1')
    .replace(/ +/g, ' ')
    .trim()
  return visible === '' ? undefined : cut(visible)
}

function cut(text: string): string {
  const characters = Array.from(graphemes.segment(text), ({ segment }) => segment)
  if (characters.length <= LONGEST_NAME) return text
  return `${characters
    .slice(0, LONGEST_NAME - 1)
    .join('')
    .trimEnd()}…`
}

import { parser } from '@prometheus-io/lezer-promql'

/** A part of an expression that selects series. */
export type Selector = { metric: string; matchers: { label: string; op: string; value: string }[] }

/**
 * The selectors of an expression of PromQL, and the labels that it groups by.
 *
 * @throws Error where it does not parse
 */
export function readExpression(expression: string): {
  selectors: Selector[]
  groupedBy: string[]
} {
  const selectors: Selector[] = []
  const groupedBy: string[] = []
  let op = ''
  let label = ''
  parser.parse(expression).iterate({
    enter: ({ name, type, from, to, node }) => {
      const text = expression.slice(from, to)
      if (type.isError) throw new Error(`does not parse at ${from}: ${expression}`)
      if (name === 'Identifier') selectors.push({ metric: text, matchers: [] })
      else if (name === 'LabelName' && node.parent?.name === 'GroupingLabels') groupedBy.push(text)
      else if (name === 'LabelName') label = text
      else if (name === 'MatchOp') op = text
      else if (name === 'StringLiteral' && node.parent?.name === 'UnquotedLabelMatcher')
        selectors.at(-1)?.matchers.push({ label, op, value: text.slice(1, -1) })
    },
  })
  return { selectors, groupedBy }
}

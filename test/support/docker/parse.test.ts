import { describe, expect, it } from 'vitest'
import { parseDockerfile, parsePairs } from './parse.ts'

describe('reading a Dockerfile', () => {
  it('finds stages, their instructions, flags and lists', () => {
    const text = [
      '# syntax=docker/dockerfile:1',
      'FROM node:24-slim AS first',
      'COPY --from=other /a b',
      'FROM first',
      'HEALTHCHECK --interval=1s \\',
      '  CMD ["node", "-e", "1"]',
    ]
    expect(parseDockerfile(`${text.join('\n')}\n`)).toEqual([
      {
        name: 'first',
        from: 'node:24-slim',
        instructions: [{ name: 'COPY', flags: { from: 'other' }, rest: '/a b' }],
      },
      {
        name: '1',
        from: 'first',
        instructions: [
          {
            name: 'HEALTHCHECK',
            flags: { interval: '1s' },
            rest: '["node", "-e", "1"]',
            list: ['node', '-e', '1'],
          },
        ],
      },
    ])
  })

  it.each([
    ['an instruction that it does not know', 'FROM a\nSHELL ["bash"]', 'SHELL'],
    ['a flag that it does not know', 'FROM a\nCOPY --chmod=777 a b', 'chmod'],
    ['a stage that is not begun', 'RUN true', 'before the first FROM'],
    ['a base that is not a word', 'FROM --platform=x a', 'FROM'],
  ])('refuses %s', (_, text, reason) => {
    expect(() => parseDockerfile(text)).toThrow(reason)
  })

  it('reads quoted and plain pairs', () => {
    expect(parsePairs('a.b="c d" e=f')).toEqual({ 'a.b': 'c d', e: 'f' })
  })
})

import { expect, test } from 'vitest'
import { createRepeatBudget } from '../../src/proxy/repeat-budget.ts'

function takeAll(budget: ReturnType<typeof createRepeatBudget>): number {
  let taken = 0
  while (taken < 10_000 && budget.take()) taken += 1
  return taken
}

function note(budget: ReturnType<typeof createRepeatBudget>, times: number): void {
  for (let time = 0; time < times; time += 1) budget.note()
}

test('a backend with few requests may be asked ten times more in a window', () => {
  const budget = createRepeatBudget()
  note(budget, 5)
  expect(takeAll(budget)).toBe(10)
})

test('a backend with many requests may be asked a fifth more', () => {
  const budget = createRepeatBudget()
  note(budget, 1000)
  expect(takeAll(budget)).toBe(200)
})

test('requests and repeats count for twenty ticks and no longer', () => {
  const budget = createRepeatBudget()
  note(budget, 1000)
  for (let tick = 0; tick < 19; tick += 1) budget.tick()
  expect(takeAll(budget)).toBe(200)
  budget.tick()
  expect(takeAll(budget)).toBe(0)
  for (let tick = 0; tick < 18; tick += 1) budget.tick()
  expect(takeAll(budget)).toBe(0)
  budget.tick()
  expect(takeAll(budget)).toBe(10)
})

import { expect, it } from 'vitest'
import { findFreePorts } from './free-port.ts'
import { runGateway, startGateway } from './gateway-process.ts'

it('rejects with the output of a gateway that ends instead of becoming ready', async () => {
  const starting = startGateway({ config: 'publicUrl: not-a-url\n' })
  await expect(starting).rejects.toThrow(/did not become ready:\n.*\S/s)
})

it('answers the exit code and the output of a run', async () => {
  const { code, output } = await runGateway(['no-such-command'])
  expect(code).not.toBe(0)
  expect(output).not.toBe('')
})

it('finds ports that differ', async () => {
  const ports = await findFreePorts(20)
  expect(new Set(ports).size).toBe(20)
})

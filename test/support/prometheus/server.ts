import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { findFreePort } from '../free-port.ts'
import { waitFor } from '../wait-for.ts'

/** One series of an answer, and its value. */
export type Answer = { labels: Record<string, string>; value: number }

export type PrometheusServer = {
  /**
   * Evaluates an expression now.
   *
   * @throws Error with what Prometheus says against it
   */
  query(expression: string): Promise<Answer[]>
  stop(): Promise<void>
}

/**
 * A real Prometheus that scrapes the targets twice a second.
 *
 * @param targets host and port
 */
export async function startPrometheus(targets: readonly string[]): Promise<PrometheusServer> {
  const folder = await mkdtemp(join(tmpdir(), 'mcp-auth-gateway-prometheus-'))
  const port = await findFreePort()
  const file = join(folder, 'prometheus.yml')
  const jobs = [{ job_name: 'mcp-auth-gateway', static_configs: [{ targets }] }]
  const global = { scrape_interval: '500ms', scrape_timeout: '500ms' }
  await writeFile(file, stringify({ global, scrape_configs: jobs }))
  const child = spawn(
    'prometheus',
    [
      ...[`--config.file=${file}`, `--storage.tsdb.path=${folder}/data`],
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: 'ignore' },
  )
  const ended = once(child, 'exit')
  const killNow = () => void child.kill('SIGKILL')
  process.once('exit', killNow)
  const stop = async (): Promise<void> => {
    process.removeListener('exit', killNow)
    killNow()
    await ended
    await rm(folder, { recursive: true })
  }
  const origin = `http://127.0.0.1:${port}`
  try {
    await waitFor(async () => (await fetch(`${origin}/-/ready`)).ok, {
      what: 'Prometheus to be ready',
      timeoutMs: 20_000,
      intervalMs: 50,
    })
  } catch (error) {
    await stop()
    throw error
  }
  return { query: expression => query(origin, expression), stop }
}

type Reply = {
  status: string
  error?: string
  data?: {
    resultType: string
    result: { metric: Record<string, string>; value: [number, string] }[]
  }
}

async function query(origin: string, expression: string): Promise<Answer[]> {
  const response = await fetch(
    `${origin}/api/v1/query?${new URLSearchParams({ query: expression })}`,
  )
  const { error, data } = (await response.json()) as Reply
  if (error !== undefined || !data) throw new Error(`${error}: ${expression}`)
  return data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
}

/**
 * The benchmark: `npm run bench [-- --seconds 8 --rounds 5 --only gateway,nginx --scenarios small,idle --against /another/checkout --write]`.
 *
 * Contenders share one processor, one after the other; load and backend have the other. Rounds are interleaved (A B C, A B C …), and what counts are the medians and their
 * ratios within this run: machines are noisy.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { writeResults } from './document.ts'
import { warmUpSeconds } from './load.ts'
import { bindTo, isInstalled } from './process.ts'
import { type Outcome, type RunOptions, SCENARIOS } from './scenarios.ts'
import { describeMachine } from './versions.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '64' },
    only: { type: 'string' },
    scenarios: { type: 'string' },
    against: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
})

for (const tool of ['wrk', 'nginx', 'taskset', 'redis-server']) {
  if (!isInstalled(tool)) {
    console.error(
      `The benchmark needs ${tool}. On Debian: apt-get install wrk nginx-light util-linux redis-server`,
    )
    process.exit(1)
  }
}
if (cpus().length < 2) {
  console.error('The benchmark needs two processors: one for the contenders, one for the load.')
  process.exit(1)
}

const folder = await mkdtemp(join(tmpdir(), 'bench-'))
const options: RunOptions = {
  folder,
  contenderCpu: '0',
  loadCpu: '1',
  seconds: Number(values.seconds),
  rounds: Number(values.rounds),
  connections: Number(values.connections),
  only: values.only?.split(','),
  against: values.against,
  note: line => console.log(line),
}
bindTo(options.loadCpu, process.pid)
try {
  await runAll()
} finally {
  await rm(folder, { recursive: true, force: true })
}
process.exit(0)

async function runAll(): Promise<void> {
  const machine = describeMachine()
  const chosen = values.scenarios?.split(',')
  const outcomes: Outcome[] = []
  for (const [name, { title, run }] of Object.entries(SCENARIOS)) {
    if (chosen && !chosen.includes(name)) continue
    console.log(`\n${title}`)
    const outcome = await run(options)
    console.log(`\n${outcome.table}`)
    outcomes.push({ ...outcome, table: `### ${title}\n\n${outcome.table}` })
  }
  if (!values.write) return
  const { connections, rounds, seconds } = options
  const how = `${connections} connections, ${rounds} × ${seconds} s, interleaved; after ${warmUpSeconds(seconds)} s to warm up. Medians; of the processor time the lower quartile; of ratios the median of the rounds’, and their middle half.`
  const text = [...machine.map(line => `- ${line}`), `- ${how}`].join('\n')
  const charts = Object.assign({}, ...outcomes.map(({ charts }) => charts))
  const sections = outcomes.map(({ table }) => table)
  await writeResults(text, sections, charts)
}

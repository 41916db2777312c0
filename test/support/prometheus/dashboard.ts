import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const FILE = join(import.meta.dirname, '../../../deploy/grafana/mcp-auth-gateway.json')

export type Panel = {
  id: number
  type: string
  title: string
  datasource?: { uid: string }
  gridPos: { x: number; y: number; w: number; h: number }
  targets?: { expr: string; datasource: { uid: string } }[]
}

export type Variable = { name: string; type: string; query: string | { query: string } }

export type Dashboard = {
  title: string
  uid: string
  panels: Panel[]
  templating: { list: Variable[] }
}

export function readDashboard(): Dashboard {
  return JSON.parse(readFileSync(FILE, 'utf8'))
}

/** What Grafana makes of an expression where everything is selected. */
export function fillIn(expression: string): string {
  return expression
    .replaceAll('$__rate_interval', '10s')
    .replaceAll(/\$(job|instance|backend)\b/g, '.*')
}

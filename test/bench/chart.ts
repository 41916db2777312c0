export type Bar = { name: string; value: number; isOurs: boolean }

const WIDTH = 720
const LEFT = 170
const RIGHT = 90
const BAR_HEIGHT = 22
const GAP = 8
const TOP = 44
const OURS = '#2563eb'
const OTHERS = '#94a3b8'

/** A horizontal bar chart as SVG, readable on a light and on a dark page. */
export function renderChart(title: string, unit: string, bars: readonly Bar[]): string {
  const longest = Math.max(...bars.map(bar => bar.value))
  const height = TOP + bars.length * (BAR_HEIGHT + GAP) + GAP
  const rows = bars.map((bar, index) => renderBar(bar, index, unit, longest))
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escapeXml(title)}" font-family="system-ui, sans-serif" font-size="13">
<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>
<text x="16" y="26" font-size="15" font-weight="600" fill="#0f172a">${escapeXml(title)}</text>
${rows.join('\n')}
</svg>
`
}

function renderBar({ name, value, isOurs }: Bar, index: number, unit: string, longest: number) {
  const y = TOP + index * (BAR_HEIGHT + GAP)
  const length = Math.max(1, ((WIDTH - LEFT - RIGHT) * value) / longest)
  const base = y + BAR_HEIGHT - 7
  const weight = isOurs ? ' font-weight="600"' : ''
  return [
    `<text x="${LEFT - 10}" y="${base}" text-anchor="end" fill="#0f172a"${weight}>${escapeXml(name)}</text>`,
    `<rect x="${LEFT}" y="${y}" width="${length.toFixed(1)}" height="${BAR_HEIGHT}" rx="3" fill="${isOurs ? OURS : OTHERS}"/>`,
    `<text x="${(LEFT + length + 8).toFixed(1)}" y="${base}" fill="#334155"${weight}>${value.toFixed(1)} ${escapeXml(unit)}</text>`,
  ].join('\n')
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

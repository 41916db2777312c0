/** What the demo tells its reader, step by step. */
export type Report = {
  title(text: string): void
  /** Begins the next step. */
  step(title: string): void
  /** Something that was seen in the present step. */
  fact(label: string, value: string): void
  /** A request and the status of its answer. */
  exchange(request: string, status: number): void
  failure(message: string): void
}

type Output = { write(text: string): unknown; isTTY?: boolean }

const LABEL_WIDTH = 34

/** Writes to `out`, in colours only where that is a terminal. */
export function createReport(out: Output): Report {
  const paint = (code: number, text: string): string =>
    out.isTTY ? `\u001b[${code}m${text}\u001b[0m` : text
  const bold = 1
  const dim = 2
  const red = 31
  const cyan = 36
  let steps = 0
  return {
    title: text => out.write(`\n  ${paint(bold, text)}\n`),
    step: title => {
      steps += 1
      out.write(`\n  ${paint(cyan, String(steps).padStart(2))}  ${paint(bold, title)}\n`)
    },
    fact: (label, value) => out.write(`      ${paint(dim, label.padEnd(LABEL_WIDTH))} ${value}\n`),
    exchange: (request, status) => out.write(`      ${request} ${paint(dim, '→')} ${status}\n`),
    failure: message => out.write(`\n  ${paint(red, 'The demo failed:')} ${message}\n\n`),
  }
}

/** Enough of a secret to recognise it by, and too little to use. */
export function shorten(secret: string): string {
  return `${secret.slice(0, 8)}…`
}

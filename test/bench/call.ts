/** A `tools/call` of the given size. */
export function callOf(bytes: number): string {
  const call = (text: string) =>
    JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'echo', arguments: { text } },
    })
  return call('x'.repeat(bytes - call('').length))
}

/** A JSON-RPC answer of about that size. nginx takes no parameter of more than 4 KB, so the text is put together from a variable. */
export function renderAnswer(bytes: number): string {
  const [head, tail] = [
    '{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"',
    '"}]}}',
  ]
  const length = bytes - head.length - tail.length
  const pieceLength = Math.min(length, 1024)
  const reference = ['$', '{piece}'].join('').repeat(Math.round(length / pieceLength))
  return `set $piece '${'y'.repeat(pieceLength)}'; return 200 '${head}${reference}${tail}';`
}

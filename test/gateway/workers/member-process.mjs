/** A worker process that does what its first argument says, instead of serving. */
const [, , behaviour] = process.argv

if (behaviour === 'dies') process.exit(7)
process.on('message', order => {
  if (order.kind === 'drain') return process.disconnect()
  if (order.kind === 'question') {
    return process.send({
      kind: 'answer',
      id: order.id,
      answer: { status: 200, headers: [], body: '{"store":"reachable"}' },
    })
  }
  if (behaviour === 'fails') {
    return process.send({ kind: 'failed', message: 'no such address' }, () => process.exit(1))
  }
  process.send({ kind: 'serving' })
  if (behaviour !== 'hangs') return undefined
  // Once what was said is on its way, nothing more happens here.
  return setTimeout(() => {
    for (;;);
  }, 100)
})
process.send({ kind: 'here' })

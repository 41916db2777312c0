/**
 * Preloaded into every replica of the stage: a defect that shows from one SIGUSR2 to the next. Nothing on the way of a call expects that an instance cannot be
 * chosen for want of chance.
 */
const realRandom = Math.random
let isBroken = false

Math.random = () => {
  if (isBroken && new Error().stack?.includes('balancer')) throw new TypeError('a defect')
  return realRandom()
}
process.on('SIGUSR2', () => {
  isBroken = !isBroken
})

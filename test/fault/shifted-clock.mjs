/**
 * Preloaded into one replica: its wall clock is off by SHIFT_SECONDS, and by as much again after each SIGUSR2. `performance.now()` goes on as it should, as on a
 * machine whose clock was set.
 */
const stepMs = Number(process.env.SHIFT_SECONDS ?? 60) * 1000
const RealDate = Date
const realNow = Date.now
let shiftMs = stepMs

Date.now = () => realNow() + shiftMs
globalThis.Date = class extends RealDate {
  constructor(...parts) {
    if (parts.length === 0) super(realNow() + shiftMs)
    else super(...parts)
  }
}
process.on('SIGUSR2', () => {
  shiftMs += stepMs
})

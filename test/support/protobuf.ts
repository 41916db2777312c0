/** The wire format of Protocol Buffers, as far as a message can be read without its description. */

/** What stands behind one field number: bytes for all that has a length, a number for the rest. */
export type Field = { number: number; value: Buffer | bigint }

const VARINT = 0
const FIXED64 = 1
const LENGTH = 2
const FIXED32 = 5

/** @throws RangeError where it is no message */
export function readFields(message: Buffer): Field[] {
  const fields: Field[] = []
  let at = 0
  const readVarint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = message.readUInt8(at++)
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  const readBytes = (length: number): Buffer => {
    if (at + length > message.length) throw new RangeError('the message ends too early')
    at += length
    return message.subarray(at - length, at)
  }
  while (at < message.length) {
    const tag = Number(readVarint())
    const number = tag >> 3
    const type = tag & 7
    if (type === VARINT) fields.push({ number, value: readVarint() })
    else if (type === FIXED64) fields.push({ number, value: readBytes(8).readBigUInt64LE() })
    else if (type === FIXED32) fields.push({ number, value: BigInt(readBytes(4).readUInt32LE()) })
    else if (type === LENGTH) fields.push({ number, value: readBytes(Number(readVarint())) })
    else throw new RangeError(`there is no wire type ${type}`)
  }
  return fields
}

/** The messages, texts or bytes of a repeated field. */
export function bytesOf(fields: readonly Field[], number: number): Buffer[] {
  return fields.flatMap(field =>
    field.number === number && Buffer.isBuffer(field.value) ? [field.value] : [],
  )
}

export function numberOf(fields: readonly Field[], number: number): number | undefined {
  const found = fields.find(field => field.number === number)?.value
  return typeof found === 'bigint' ? Number(found) : undefined
}

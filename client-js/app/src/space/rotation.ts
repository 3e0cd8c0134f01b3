// Rotations are quaternions in the document and degrees (x, then y, then z) for people.
const turn = 180 / Math.PI
const round = (value: number, digits: number): number => {
  const scale = 10 ** digits
  const rounded = Math.round(value * scale) / scale
  return rounded === 0 ? 0 : rounded // no minus zero
}

export function toDegrees(quaternion: readonly number[]): number[] {
  const [qx = 0, qy = 0, qz = 0, qw = 1] = quaternion
  const size = Math.hypot(qx, qy, qz, qw) || 1
  const [x, y, z, w] = [qx / size, qy / size, qz / size, qw / size]
  const sine = Math.max(-1, Math.min(1, 2 * (x * z + w * y)))
  const upright = Math.abs(sine) < 0.9999999
  const ax = upright
    ? Math.atan2(2 * (w * x - y * z), 1 - 2 * (x * x + y * y))
    : Math.atan2(2 * (y * z + w * x), 1 - 2 * (x * x + z * z))
  const az = upright ? Math.atan2(2 * (w * z - x * y), 1 - 2 * (y * y + z * z)) : 0
  return [ax, Math.asin(sine), az].map((angle) => round(angle * turn, 2))
}

export function toQuaternion(degrees: readonly number[]): number[] {
  const [x = 0, y = 0, z = 0] = degrees.map((angle) => angle / turn / 2)
  const [cx, cy, cz, sx, sy, sz] = [
    Math.cos(x),
    Math.cos(y),
    Math.cos(z),
    Math.sin(x),
    Math.sin(y),
    Math.sin(z),
  ]
  return [
    sx * cy * cz + cx * sy * sz,
    cx * sy * cz - sx * cy * sz,
    cx * cy * sz + sx * sy * cz,
    cx * cy * cz - sx * sy * sz,
  ].map((part) => round(part, 6))
}

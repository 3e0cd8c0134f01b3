// The palette, and how a colour stored once is shown on light and on dark paper.
export const palette: readonly { name: string; color: string }[] = [
  { name: 'Ink', color: '#1d2129' },
  { name: 'Blue', color: '#2f6fed' },
  { name: 'Red', color: '#e0413e' },
  { name: 'Green', color: '#1f9d61' },
  { name: 'Orange', color: '#e0801f' },
  { name: 'Purple', color: '#8a4fe0' },
  { name: 'Pink', color: '#d9488f' },
  { name: 'Grey', color: '#78818f' },
]

export const sizes: readonly number[] = [2, 4, 8, 16, 28]

export const paper = { light: '#ffffff', dark: '#16181d' } as const

const channels = (color: string): [number, number, number] | null => {
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(color)
  return match
    ? [parseInt(match[1] ?? '', 16), parseInt(match[2] ?? '', 16), parseInt(match[3] ?? '', 16)]
    : null
}

const luminance = (rgb: readonly number[]): number => {
  const [r = 0, g = 0, b = 0] = rgb.map((each) =>
    each / 255 <= 0.03928 ? each / 255 / 12.92 : ((each / 255 + 0.055) / 1.055) ** 2.4,
  )
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

/** The stored colour, unless it would vanish on this paper: black ink shows as white on black, and back. */
export function shown(color: string, dark: boolean): string {
  const rgb = channels(color)
  if (!rgb) return dark ? '#e8eaee' : '#1d2129' // not a colour we draw; a stranger may have stored anything
  const bright = luminance(rgb)
  const vanishes = dark ? bright < 0.045 : bright > 0.85
  if (!vanishes) return color
  // The other end of the scale, with a trace of the hue it had.
  return `rgb(${rgb.map((each) => Math.round(dark ? Math.min(255, 212 + each * 0.7) : each * 0.2)).join(' ')})`
}

/** A colour that a session can wear. */
export interface Colour {
  name: string;
  hex: string;
}

/**
 * The colours to choose from. All have a relative luminance near 0.17: white text on them reads at
 * 4.7:1, and as a caret they stand out at 3:1 or more from the light and from the dark sheet.
 */
export const COLOURS: readonly Colour[] = [
  { name: "Fern", hex: "#378055" },
  { name: "Lagoon", hex: "#107f89" },
  { name: "Sky", hex: "#2b76bb" },
  { name: "Iris", hex: "#7763c8" },
  { name: "Plum", hex: "#a5569f" },
  { name: "Rose", hex: "#be4b6d" },
  { name: "Clay", hex: "#b6563f" },
  { name: "Amber", hex: "#9d671c" },
];

// White text needs 4.5:1 (WCAG 2.2, 1.4.3); a caret needs 3:1 against the dark sheet (1.4.11).
const LUMINANCE_MAX = 1.05 / 4.5 - 0.05;
const LUMINANCE_MIN = 0.135;

/** The colour itself where it can be read in both themes, else one of ours, the same for each `seed`. */
export function legibleColour(hex: unknown, seed: number): string {
  if (typeof hex === "string" && /^#[0-9a-f]{6}$/i.test(hex)) {
    const luminance = relativeLuminance(hex);
    if (luminance >= LUMINANCE_MIN && luminance <= LUMINANCE_MAX) return hex;
  }
  return (COLOURS[Math.abs(seed) % COLOURS.length] as Colour).hex;
}

/** Relative luminance of `#rrggbb`, 0 to 1, as WCAG 2.2 defines it. */
export function relativeLuminance(hex: string): number {
  const channel = (at: number) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}

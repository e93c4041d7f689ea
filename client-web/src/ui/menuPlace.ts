/** Where a menu goes: under its button, or above it where there is no room below. In CSS pixels. */

export const MENU_WIDTH = 232;
const LINE = 44;
const FRAME = 16;
const GAP = 4;
const EDGE = 8;

interface Place {
  left: number;
  width: number;
  top: number;
  maxHeight: number;
}

export function menuPlace(
  button: { top: number; bottom: number; right: number },
  lines: number,
  window: { width: number; height: number },
): Place {
  const width = Math.min(MENU_WIDTH, window.width - 2 * EDGE);
  const left = Math.max(EDGE, Math.min(button.right - width, window.width - width - EDGE));
  const height = Math.min(lines * LINE + FRAME, window.height - 2 * EDGE);
  const below = button.bottom + GAP;
  const fitsBelow = below + height <= window.height - EDGE;
  const top = fitsBelow ? below : Math.max(EDGE, button.top - GAP - height);
  return { left, width, top, maxHeight: window.height - top - EDGE };
}

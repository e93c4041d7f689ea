/** Where tiles go: pure functions of how many and how much room. */

export interface Box {
  width: number;
  height: number;
}

export interface GridLayout {
  columns: number;
  rows: number;
  tileWidth: number;
  tileHeight: number;
}

/**
 * Tiles may be cropped to fill the box, up to a point. On a phone held upright tall tiles show larger
 * faces and people expect them; on a wide screen a tall crop of a wide camera looks like a mistake.
 */
const WIDEST = 16 / 9;
const narrowest = (box: Box) => (box.width < box.height ? 9 / 16 : 4 / 3);

/** The grid that gives tiles the largest area: two people fill a phone, four make a square. */
export function gridLayout(count: number, box: Box, gap: number): GridLayout {
  if (count < 1 || box.width <= 0 || box.height <= 0) {
    return { columns: 1, rows: 1, tileWidth: 0, tileHeight: 0 };
  }
  let best: GridLayout | undefined;
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const cellWidth = (box.width - gap * (columns - 1)) / columns;
    const cellHeight = (box.height - gap * (rows - 1)) / rows;
    if (cellWidth <= 0 || cellHeight <= 0) continue;
    const candidate = { columns, rows, ...fit(cellWidth, cellHeight, narrowest(box)) };
    // A later candidate must be clearly better: no flip between two grids while a window is dragged.
    if (!best || area(candidate) > area(best) * 1.02) best = candidate;
  }
  return best ?? { columns: 1, rows: count, tileWidth: box.width, tileHeight: box.height / count };
}

/** Tiles on one page: as many as stay recognisable, never fewer than four, never more than 25. */
export function pageCapacity(box: Box): number {
  const across = Math.floor(box.width / 165);
  const down = Math.floor(box.height / 115);
  return Math.min(25, Math.max(4, across * down));
}

function fit(cellWidth: number, cellHeight: number, tallest: number) {
  const shape = Math.min(WIDEST, Math.max(tallest, cellWidth / cellHeight));
  const tileWidth = Math.min(cellWidth, cellHeight * shape);
  return { tileWidth: Math.floor(tileWidth), tileHeight: Math.floor(tileWidth / shape) };
}

function area(layout: GridLayout): number {
  return layout.tileWidth * layout.tileHeight;
}

export type LayoutChoice = 'auto' | 'grid' | 'stage';

/** Auto means: a screen share or a pinned tile deserves the stage, faces alone share a grid. */
export function effectiveLayout(choice: LayoutChoice, hasShare: boolean): 'grid' | 'stage' {
  if (choice !== 'auto') return choice;
  return hasShare ? 'stage' : 'grid';
}

/** The little a stage needs to know about a tile. */
export interface Stageable {
  key: string;
  identity: string;
  isShare: boolean;
  isLocal: boolean;
}

/**
 * Who is on stage: what I pinned; else the newest share; else who speaks (or spoke last); else
 * somebody other than me; else me.
 */
export function chooseStage(
  tiles: readonly Stageable[],
  pinnedKey: string | undefined,
  speakerIdentity: string | undefined,
): string | undefined {
  const pinned = tiles.find((tile) => tile.key === pinnedKey);
  if (pinned) return pinned.key;
  // Somebody else's screen before one's own: nobody needs to watch their own screen twice.
  const shares = tiles.filter((tile) => tile.isShare);
  const share = shares.filter((tile) => !tile.isLocal).at(-1) ?? shares.at(-1);
  if (share) return share.key;
  const speaker = tiles.find((tile) => tile.identity === speakerIdentity && !tile.isLocal);
  return (speaker ?? tiles.find((tile) => !tile.isLocal) ?? tiles[0])?.key;
}

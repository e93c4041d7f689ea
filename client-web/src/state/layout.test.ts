import { describe, expect, it } from 'vitest';
import { chooseStage, effectiveLayout, gridLayout, pageCapacity, type Stageable } from './layout';

const desktop = { width: 1248, height: 660 };
const phone = { width: 374, height: 704 };
const GAP = 8;

describe('the grid', () => {
  it.each([
    [1, 1, 1],
    [2, 2, 1],
    [3, 2, 2],
    [4, 2, 2],
    [6, 3, 2],
    [9, 3, 3],
    [16, 4, 4],
  ])('%i people on a desktop: %i columns, %i rows', (count, columns, rows) => {
    expect(gridLayout(count, desktop, GAP)).toMatchObject({ columns, rows });
  });

  it.each([
    [1, 1, 1],
    [2, 1, 2],
    [4, 2, 2],
    [6, 2, 3],
    [9, 3, 3],
  ])('%i people on a phone: %i columns, %i rows', (count, columns, rows) => {
    expect(gridLayout(count, phone, GAP)).toMatchObject({ columns, rows });
  });

  it('never spills out of its box and never crops beyond what its orientation allows', () => {
    for (const box of [desktop, phone, { width: 900, height: 200 }, { width: 200, height: 900 }]) {
      for (let count = 1; count <= 25; count++) {
        const { columns, rows, tileWidth, tileHeight } = gridLayout(count, box, GAP);
        expect(columns * rows).toBeGreaterThanOrEqual(count);
        expect(columns * tileWidth + (columns - 1) * GAP).toBeLessThanOrEqual(box.width);
        expect(rows * tileHeight + (rows - 1) * GAP).toBeLessThanOrEqual(box.height);
        // Sizes are whole pixels: one pixel either way is rounding.
        const narrowest = box.width < box.height ? 9 / 16 : 4 / 3;
        expect((tileWidth + 1) / (tileHeight - 1)).toBeGreaterThan(narrowest);
        expect((tileWidth - 1) / (tileHeight + 1)).toBeLessThan(16 / 9);
      }
    }
  });

  it('fills a phone with two people rather than showing two letterboxes', () => {
    const { tileWidth, tileHeight } = gridLayout(2, phone, GAP);
    expect((2 * tileWidth * tileHeight) / (phone.width * phone.height)).toBeGreaterThan(0.9);
  });

  it('survives a box that is not measured yet', () => {
    expect(gridLayout(4, { width: 0, height: 0 }, GAP)).toMatchObject({ tileWidth: 0 });
    expect(gridLayout(0, desktop, GAP)).toMatchObject({ tileWidth: 0 });
  });
});

describe('pages', () => {
  it('hold as many tiles as stay recognisable', () => {
    expect(pageCapacity(desktop)).toBe(25);
    expect(pageCapacity(phone)).toBe(12);
    expect(pageCapacity({ width: 100, height: 100 })).toBe(4);
  });
});

describe('which layout', () => {
  it('faces share a grid, a shared screen takes the stage, a choice stands', () => {
    expect(effectiveLayout('auto', false)).toBe('grid');
    expect(effectiveLayout('auto', true)).toBe('stage');
    expect(effectiveLayout('grid', true)).toBe('grid');
    expect(effectiveLayout('stage', false)).toBe('stage');
  });
});

describe('who is on stage', () => {
  const me: Stageable = { key: 'me:camera', identity: 'me', isShare: false, isLocal: true };
  const ada = { key: 'ada:camera', identity: 'ada', isShare: false, isLocal: false };
  const grace = { key: 'grace:camera', identity: 'grace', isShare: false, isLocal: false };
  const adaScreen = { ...ada, key: 'ada:screen_share', isShare: true };
  const myScreen = { ...me, key: 'me:screen_share', isShare: true };

  it('me, when I am alone', () => {
    expect(chooseStage([me], undefined, undefined)).toBe('me:camera');
    expect(chooseStage([], undefined, undefined)).toBeUndefined();
  });

  it('somebody else before me, the speaker before the others', () => {
    expect(chooseStage([me, ada, grace], undefined, undefined)).toBe('ada:camera');
    expect(chooseStage([me, ada, grace], undefined, 'grace')).toBe('grace:camera');
    expect(chooseStage([me, ada, grace], undefined, 'me')).toBe('ada:camera');
  });

  it('a shared screen before the speaker, another’s screen before mine', () => {
    expect(chooseStage([me, ada, adaScreen, grace], undefined, 'grace')).toBe('ada:screen_share');
    expect(chooseStage([ada, adaScreen, me, myScreen], undefined, undefined)).toBe(
      'ada:screen_share',
    );
    expect(chooseStage([ada, me, myScreen], undefined, undefined)).toBe('me:screen_share');
  });

  it('whom I pinned before all, until they leave', () => {
    expect(chooseStage([me, ada, adaScreen, grace], 'grace:camera', 'ada')).toBe('grace:camera');
    expect(chooseStage([me, ada], 'grace:camera', 'ada')).toBe('ada:camera');
  });
});

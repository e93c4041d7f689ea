import { expect, it } from 'vitest';
import { menuPlace } from './menuPlace';

const window = { width: 400, height: 600 };

it('hangs under its button, right edges in line', () => {
  const place = menuPlace({ top: 100, bottom: 144, right: 390 }, 3, window);
  expect(place.top).toBe(148);
  expect(place.left + place.width).toBe(390);
});

it('stands above a button near the foot of the window', () => {
  const place = menuPlace({ top: 540, bottom: 584, right: 390 }, 3, window);
  expect(place.top + 3 * 44 + 16).toBe(536);
});

it('stays inside however narrow the window and long the list', () => {
  const place = menuPlace({ top: 300, bottom: 344, right: 60 }, 40, { width: 200, height: 400 });
  expect(place.left).toBeGreaterThanOrEqual(8);
  expect(place.left + place.width).toBeLessThanOrEqual(192);
  expect(place.top + place.maxHeight).toBeLessThanOrEqual(392);
});

import { describe, expect, it } from 'vitest';
import { inWords, linePath, moments, nearest, niceTop, scaleOf, ticks, type Point } from './chart';

const frame = { left: 0, right: 100, top: 0, bottom: 50 };
const line = (...values: (number | null)[]): Point[] =>
  values.map((value, index) => ({ at: index * 1000, value }));
const scaled = (points: Point[], least = 1) => scaleOf([{ name: 'x', points }], least);

describe('a chart', () => {
  it.each([
    [0, 1],
    [0.03, 0.04],
    [7, 10],
    [21, 40],
    [3, 4],
    [48_300_000, 60_000_000],
    [NaN, 1],
  ])('the top above %s is %s', (value, top) => {
    expect(niceTop(value)).toBeCloseTo(top);
  });

  it('begins at nothing, and does not make a storm of a quiet hour', () => {
    expect(scaled(line(1, 2), 100).most).toBe(100);
    expect(ticks(100)).toEqual([0, 50, 100]);
  });

  it('draws from left to right, with holes where nothing was measured', () => {
    const points = line(0, 1, null, 0.5, 1);
    expect(linePath(points, scaled(points), frame)).toBe('M0.0 50.0L25.0 0.0M75.0 25.0L100.0 0.0');
    expect(linePath(line(0, 1), scaled(line(0, 1)), frame, true)).toBe('M0.0 50.0H100.0V0.0');
  });

  it('stands also on one point and on none', () => {
    expect(linePath(line(1), scaled(line(1)), frame)).toBe('M0.0 0.0');
    expect(linePath([], scaled([]), frame)).toBe('');
    expect(scaled([])).toMatchObject({ from: 0, until: 1 });
  });

  it('marks time evenly, as often as there is room', () => {
    const scale = { from: 0, until: 60_000, most: 1 };
    expect(moments(scale, { ...frame, right: 100 })).toEqual([0, 60_000]);
    expect(moments(scale, { ...frame, right: 400 })).toEqual([0, 20_000, 40_000, 60_000]);
  });

  it('finds what one points at', () => {
    const points = line(1, 1, 1, 1, 1);
    expect(nearest(points, 30, scaled(points), frame)).toBe(1);
    expect(nearest(points, 500, scaled(points), frame)).toBe(4);
  });

  it('says in a line what it shows', () => {
    expect(inWords(line(2, null, 5, 3), String)).toBe('from 2 to 5, last 3');
    expect(inWords(line(null), String)).toBe('no measurements');
  });
});

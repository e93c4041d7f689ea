import { expect, it } from 'vitest';
import { levelOf } from './micLevel';

const tone = (amplitude: number) => new Float32Array(1024).fill(amplitude);

it('silence is nothing, a quiet room hardly anything, a voice most of it', () => {
  expect(levelOf(tone(0))).toBe(0);
  expect(levelOf(tone(0.001))).toBeCloseTo(0, 2);
  expect(levelOf(tone(0.1))).toBeCloseTo(0.8, 2);
  expect(levelOf(tone(1))).toBe(1);
  expect(levelOf(new Float32Array(0))).toBe(0);
});

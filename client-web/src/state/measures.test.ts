import { expect, it } from 'vitest';
import { bitrate, bytes, count, duration, milliseconds, share } from './measures';

it.each([
  [0, '0 s'],
  [93, '1 min 33 s'],
  [3600, '1 h'],
  [8000, '2 h 13 min'],
  [200_000, '2 d 7 h'],
  [null, '–'],
])('%s seconds', (seconds, words) => {
  expect(duration(seconds)).toBe(words);
});

it('says quantities in units of their size, to three digits', () => {
  expect(bitrate(1_920_000)).toBe('1.92 Mbit/s');
  expect(bitrate(100_000)).toBe('100 kbit/s');
  expect(bytes(182_400_000)).toBe('182 MB');
  expect(count(2.5)).toBe('2.5');
  expect(count(48)).toBe('48');
  expect(bytes(0)).toBe('0 B');
  expect(share(0.0095)).toBe('0.95 %');
  expect(share(0.5)).toBe('50 %');
  expect(milliseconds(96.84)).toBe('96.8 ms');
});

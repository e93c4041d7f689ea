import { expect, it } from 'vitest';
import { formatElapsed } from './elapsed';

it.each([
  [0, '0:00'],
  [65_000, '1:05'],
  [3_599_999, '59:59'],
  [3_665_000, '1:01:05'],
  // A clock set back during the call.
  [-5000, '0:00'],
])('%i ms is %s', (milliseconds, text) => {
  expect(formatElapsed(milliseconds)).toBe(text);
});

import { expect, it } from 'vitest';
import { isOwnPath } from './next';

it.each([
  ['/', true],
  ['/r/k3m9x2qa#e2ee=s3cret', true],
  ['//evil.example', false],
  ['/\\evil.example', false],
  ['https://evil.example', false],
  ['javascript:alert(1)', false],
])('%s', (path, own) => {
  expect(isOwnPath(path)).toBe(own);
});

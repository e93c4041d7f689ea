import { expect, it } from 'vitest';
import { HostKeys } from './hostKeys';

function storage(start?: string) {
  let kept = start ?? null;
  return {
    getItem: () => kept,
    setItem: (_: string, value: string) => {
      kept = value;
    },
  };
}

it('remembers the key of each room, the newest fifty', () => {
  const kept = storage();
  for (let room = 0; room < 60; room++) new HostKeys(kept).remember(`r${String(room)}`, 'key');
  new HostKeys(kept).remember('r59', 'other');
  expect(new HostKeys(kept).recall('r59')).toBe('other');
  expect(new HostKeys(kept).recall('r10')).toBe('key');
  expect(new HostKeys(kept).recall('r9')).toBeUndefined();
});

it('reads past what somebody else wrote there', () => {
  expect(new HostKeys(storage('[["a"],7,["b","key"]]')).recall('b')).toBe('key');
  expect(new HostKeys(storage('{')).recall('b')).toBeUndefined();
  expect(new HostKeys(undefined).recall('b')).toBeUndefined();
});

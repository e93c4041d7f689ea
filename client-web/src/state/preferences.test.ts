import { expect, it, vi } from 'vitest';
import { PreferenceStore } from './preferences';

function memory(initial?: string) {
  let value = initial ?? null;
  return {
    getItem: () => value,
    setItem: (_: string, next: string) => {
      value = next;
    },
  };
}

it('remembers across visits', () => {
  const storage = memory();
  new PreferenceStore(storage).set({ name: 'Ada', camera: 'cam-2' });
  expect(new PreferenceStore(storage).get()).toMatchObject({
    name: 'Ada',
    camera: 'cam-2',
    theme: 'system',
  });
});

it('tells who listens, until they stop', () => {
  const store = new PreferenceStore(memory());
  const listener = vi.fn();
  const unsubscribe = store.subscribe(listener);
  store.set({ theme: 'dark' });
  unsubscribe();
  store.set({ theme: 'light' });
  expect(listener).toHaveBeenCalledTimes(1);
});

it('a damaged, absent or full storage costs the memory and nothing else', () => {
  expect(new PreferenceStore(memory('{not json')).get().name).toBe('');
  expect(new PreferenceStore(memory('"text"')).get().name).toBe('');
  expect(new PreferenceStore(undefined).get().name).toBe('');
  const full = new PreferenceStore({
    getItem: () => null,
    setItem: () => {
      throw new DOMException('full', 'QuotaExceededError');
    },
  });
  full.set({ name: 'Ada' });
  expect(full.get().name).toBe('Ada');
});

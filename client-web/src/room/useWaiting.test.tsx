import { act, renderHook } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Desk } from './useDesk';
import { useWaiting } from './useWaiting';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('a question that failed is asked again, until there is an answer', async () => {
  const ben = { ticket: 't', name: 'Ben', identity: 'ben', since: 0 };
  const waiting = vi.fn().mockRejectedValueOnce(new Error('away')).mockResolvedValue([ben]);
  const desk = { waiting } as unknown as Desk;
  const { result } = renderHook(() => useWaiting(desk, 1, 1));
  await act(() => vi.advanceTimersByTimeAsync(0));
  expect(result.current).toEqual([]);
  await act(() => vi.advanceTimersByTimeAsync(60_000));
  expect(result.current).toEqual([ben]);
  expect(waiting).toHaveBeenCalledTimes(2);
});

import { act, renderHook } from '@testing-library/react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError, UnreachableError } from '../api/errors';
import { usePolled } from './usePolled';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));
const become = async (visibility: DocumentVisibilityState) => {
  vi.spyOn(document, 'visibilityState', 'get').mockReturnValue(visibility);
  document.dispatchEvent(new Event('visibilitychange'));
  await pass(0);
};

describe('a page that asks again and again', () => {
  it('keeps the last good answer beside what went wrong since', async () => {
    const away = new UnreachableError('x');
    const ask = vi
      .fn<() => Promise<string>>()
      .mockRejectedValueOnce(away)
      .mockResolvedValueOnce('good')
      .mockRejectedValueOnce(away)
      .mockResolvedValue('better');
    const { result } = renderHook(() => usePolled(ask, 1000));
    await pass(0);
    expect(result.current).toEqual({ status: 'failed', error: away });
    await pass(1000);
    expect(result.current).toEqual({ status: 'ready', value: 'good' });
    await pass(1000);
    expect(result.current).toEqual({ status: 'ready', value: 'good', problem: away });
    await pass(1000);
    expect(result.current).toEqual({ status: 'ready', value: 'better' });
  });

  it.each([401, 403])(
    'asks no more once it was told %i, and shows nothing of before',
    async (status) => {
      const denied = new ApiError(status, 'code', 'why');
      const ask = vi
        .fn<() => Promise<string>>()
        .mockResolvedValueOnce('good')
        .mockRejectedValue(denied);
      const { result } = renderHook(() => usePolled(ask, 1000));
      await pass(10_000);
      expect(result.current).toEqual({ status: 'failed', error: denied });
      await become('visible');
      expect(ask).toHaveBeenCalledTimes(2);
    },
  );

  it('asks as often as the last answer wants, and no more when it wants none', async () => {
    const ask = vi
      .fn<() => Promise<string>>()
      .mockRejectedValueOnce(new UnreachableError('x'))
      .mockResolvedValueOnce('soon')
      .mockResolvedValue('done');
    const pace = (last: string | undefined) => (last === 'done' ? undefined : 1000);
    renderHook(() => usePolled(ask, pace));
    await pass(60_000);
    expect(ask).toHaveBeenCalledTimes(3);
  });

  it('asks nothing while nobody looks, and at once when somebody does', async () => {
    const ask = vi.fn(() => Promise.resolve('good'));
    const { unmount } = renderHook(() => usePolled(ask, 1000));
    await pass(0);
    await become('hidden');
    await pass(60_000);
    expect(ask).toHaveBeenCalledTimes(1);
    await become('visible');
    expect(ask).toHaveBeenCalledTimes(2);
    await pass(1000);
    expect(ask).toHaveBeenCalledTimes(3);
    unmount();
    await become('visible');
    expect(ask).toHaveBeenCalledTimes(3);
    expect(vi.getTimerCount()).toBe(0);
  });
});

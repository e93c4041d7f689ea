import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError, UnreachableError } from '../api/errors';
import { pause, standing } from './lobby';

const refused = (status: number) => standing(Promise.reject(new ApiError(status, 'code', 'why')));

describe('somebody in the lobby', () => {
  it.each([429, 500, 503])('waits on when the server says %i', async (status) => {
    expect(await refused(status)).toBeUndefined();
  });

  it('waits on while nobody answers', async () => {
    expect(await standing(Promise.reject(new UnreachableError('x')))).toBeUndefined();
  });

  it('has lost the place when the server knows no such ticket', async () => {
    expect(await refused(404)).toEqual({ state: 'gone' });
  });

  it('hears every other refusal', async () => {
    await expect(refused(403)).rejects.toBeInstanceOf(ApiError);
  });
});

describe('the pause between two questions', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const become = (visibility: DocumentVisibilityState) => {
    vi.spyOn(document, 'visibilityState', 'get').mockReturnValue(visibility);
    document.dispatchEvent(new Event('visibilitychange'));
  };

  it('lasts as long as it says, also while nobody looks', async () => {
    const done = vi.fn();
    void pause(2000).then(done);
    become('hidden');
    await vi.advanceTimersByTimeAsync(1999);
    expect(done).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(done).toHaveBeenCalledOnce();
  });

  it('ends when somebody looks again', async () => {
    const done = vi.fn();
    void pause(60_000).then(done);
    become('visible');
    await vi.advanceTimersByTimeAsync(0);
    expect(done).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
  });
});

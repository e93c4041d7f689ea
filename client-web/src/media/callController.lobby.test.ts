import { describe, expect, it, vi } from 'vitest';
import { failure } from '../state/failure';
import { grant, Refusal, setUp } from '../test/callParts';
import type { Standing } from './lobby';

describe('the lobby', () => {
  /** Somebody third in line, and what the server says each time they ask. */
  function inLine(...answers: (Standing | undefined)[]) {
    const left = [...answers];
    const seen: number[] = [];
    const set = setUp({
      joinNowAs: 'Ada',
      enter: () => Promise.resolve({ waiting: { ticket: 't-1', position: 3 } }),
      standing: () => Promise.resolve(left.length > 1 ? left.shift() : left[0]),
    });
    set.controller.subscribe(() => {
      const call = set.controller.get();
      if (call.phase === 'waiting') seen.push(call.position);
    });
    return { ...set, seen };
  }

  it('counts down and lets in', async () => {
    const { controller, seen } = inLine(
      { state: 'waiting', position: 2 },
      undefined,
      { state: 'waiting', position: 1 },
      { state: 'admitted', ...grant },
    );
    await controller.start();
    expect(seen).toEqual([3, 2, 1]);
    expect(controller.get()).toMatchObject({ phase: 'connected' });
  });

  it('refuses: said, and the camera goes off', async () => {
    const { parts, controller } = inLine({ state: 'refused' });
    await controller.start();
    expect(controller.get()).toMatchObject({ failure: { kind: 'lobby_refused' } });
    expect(parts.stopMedia).toHaveBeenCalled();
    expect(parts.withdraw).not.toHaveBeenCalled();
  });

  it('has forgotten: one knocks again by oneself, once', async () => {
    const back = inLine(
      { state: 'gone' },
      { state: 'waiting', position: 1 },
      { state: 'admitted', ...grant },
    );
    await back.controller.start();
    expect(back.seen).toEqual([3, 3, 1]);
    expect(back.controller.get()).toMatchObject({ phase: 'connected' });

    const enter = vi.fn(() => Promise.resolve({ waiting: { ticket: 't-1', position: 1 } }));
    const { parts, controller } = setUp({ joinNowAs: 'Ada', enter });
    await controller.start();
    expect(enter).toHaveBeenCalledTimes(2);
    expect(controller.get()).toMatchObject({ failure: { kind: 'lobby_gone' } });
    expect(parts.withdraw).not.toHaveBeenCalled();
  });

  it('an error gives the place back: nobody stands in line who does not know it', async () => {
    const { parts, controller } = setUp({
      joinNowAs: 'Ada',
      enter: () => Promise.resolve({ waiting: { ticket: 't-1', position: 1 } }),
      standing: () => Promise.reject(new Refusal(failure('sign_in_required'))),
    });
    await controller.start();
    expect(controller.get().phase).toBe('failed');
    expect(parts.withdraw).toHaveBeenCalledExactlyOnceWith('t-1');
  });

  it('who leaves the line gives the place back and is at the door again', async () => {
    let tick: () => void = () => undefined;
    const { parts, controller } = setUp({
      joinNowAs: 'Ada',
      enter: () => Promise.resolve({ waiting: { ticket: 't-1', position: 1 } }),
      pause: () =>
        new Promise((resolve) => {
          tick = resolve;
        }),
    });
    const joining = controller.start();
    await vi.waitFor(() => {
      expect(controller.get().phase).toBe('waiting');
    });
    await controller.withdraw();
    expect(parts.withdraw).toHaveBeenCalledExactlyOnceWith('t-1');
    tick();
    await joining;
    expect(controller.get().phase).toBe('prejoin');
  });

  it('so does a closed page', async () => {
    const { parts, controller } = setUp({
      joinNowAs: 'Ada',
      enter: () => Promise.resolve({ waiting: { ticket: 't-1', position: 1 } }),
      pause: () => new Promise(() => undefined),
    });
    void controller.start();
    await vi.waitFor(() => {
      expect(controller.get().phase).toBe('waiting');
    });
    controller.dispose();
    expect(parts.withdraw).toHaveBeenCalledWith('t-1');
  });
});

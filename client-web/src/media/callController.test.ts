import { describe, expect, it, vi } from 'vitest';
import type { JoinAnswer, JoinGrant, LobbyAnswer, RoomStatus } from '../api/types';
import { failure, type Failure } from '../state/failure';
import { CallController, type CallParts } from './callController';

const room: RoomStatus = {
  id: 'k3m9x2qa',
  name: 'Weekly',
  num_participants: 0,
  max_participants: 0,
  created_at: 0,
  full: false,
};
const grant: JoinGrant = { token: 't', url: 'ws://x', identity: 'ada-7f3k', room };

class Refusal extends Error {
  constructor(readonly failure: Failure) {
    super(failure.kind);
  }
}

function setUp({
  joinNowAs,
  ...overrides
}: Partial<CallParts<string>> & { joinNowAs?: string } = {}) {
  let hangUp: (why: Failure | undefined) => void = () => undefined;
  const parts = {
    room: vi.fn(() => Promise.resolve(room)),
    enter: vi.fn((): Promise<JoinAnswer> => Promise.resolve(grant)),
    standing: (): Promise<LobbyAnswer | { state: 'gone' } | undefined> =>
      Promise.resolve({ state: 'gone' }),
    withdraw: vi.fn(),
    pause: () => Promise.resolve(),
    connect: vi.fn((_: JoinGrant, onDisconnected: typeof hangUp) => {
      hangUp = onDisconnected;
      return Promise.resolve('session');
    }),
    disconnect: vi.fn(),
    startMedia: vi.fn(),
    stopMedia: vi.fn(),
    explain: (error: unknown) => (error as Refusal).failure,
    ...overrides,
  };
  const controller = new CallController<string>(parts, joinNowAs);
  return { parts, controller, hangUp: (why: Failure | undefined) => hangUp(why) };
}

describe('a call from beginning to end', () => {
  it('checks the room, waits for a name, joins, leaves, rejoins under the same name', async () => {
    const { parts, controller } = setUp();
    await controller.start();
    expect(controller.get().phase).toBe('prejoin');
    expect(parts.enter).not.toHaveBeenCalled();

    await controller.join('Ada');
    expect(controller.get()).toMatchObject({ phase: 'connected', session: 'session' });

    controller.leave();
    expect(controller.get().phase).toBe('left');
    expect(parts.disconnect).toHaveBeenCalledWith('session');

    await controller.rejoin();
    expect(controller.get().phase).toBe('connected');
    expect(parts.enter).toHaveBeenLastCalledWith('Ada', undefined);
  });

  it('with join=1 goes straight in: no extra round trip before the first frame', async () => {
    const { parts, controller } = setUp({ joinNowAs: 'Ada' });
    await controller.start();
    expect(controller.get().phase).toBe('connected');
    expect(parts.room).not.toHaveBeenCalled();
    expect(parts.startMedia).toHaveBeenCalled();
  });
});

describe('what goes wrong', () => {
  it('no such room', async () => {
    const { controller } = setUp({
      room: () => Promise.reject(new Refusal(failure('room_not_found'))),
    });
    await controller.start();
    expect(controller.get()).toMatchObject({ failure: { kind: 'room_not_found' } });
  });

  it('a full room turns the camera off again and can be tried again', async () => {
    const enter = vi
      .fn<() => Promise<JoinGrant>>()
      .mockRejectedValueOnce(new Refusal(failure('room_full')))
      .mockResolvedValueOnce(grant);
    const { parts, controller } = setUp({ enter });
    await controller.start();
    await controller.join('Ada');
    expect(controller.get()).toMatchObject({ failure: { kind: 'room_full' } });
    expect(parts.stopMedia).toHaveBeenCalled();
    await controller.rejoin();
    expect(controller.get().phase).toBe('connected');
  });

  it('a refused name keeps the pre-join page and its preview', async () => {
    const { parts, controller } = setUp({
      enter: () => Promise.reject(new Refusal(failure('bad_name'))),
    });
    await controller.start();
    await controller.join('Ada');
    expect(controller.get()).toMatchObject({ phase: 'prejoin', problem: { kind: 'bad_name' } });
    expect(parts.stopMedia).not.toHaveBeenCalled();
  });

  it('a call taken over elsewhere says so', async () => {
    const { controller, hangUp } = setUp({ joinNowAs: 'Ada' });
    await controller.start();
    hangUp(failure('duplicate_identity'));
    expect(controller.get()).toMatchObject({ failure: { kind: 'duplicate_identity' } });
  });
});

describe('leaving at awkward moments', () => {
  it('while connecting: the connection that arrives late is closed, no ghost stays', async () => {
    let arrive: (session: string) => void = () => undefined;
    const { parts, controller } = setUp({
      joinNowAs: 'Ada',
      connect: () =>
        new Promise((resolve) => {
          arrive = resolve;
        }),
    });
    const joining = controller.start();
    await vi.waitFor(() => {
      expect(controller.get().phase).toBe('joining');
    });
    await Promise.resolve();
    controller.dispose();
    arrive('late');
    await joining;
    expect(parts.disconnect).toHaveBeenCalledWith('late');
  });

  it('closing the page hangs up and releases the devices', async () => {
    const { parts, controller } = setUp({ joinNowAs: 'Ada' });
    await controller.start();
    controller.dispose();
    expect(parts.disconnect).toHaveBeenCalledWith('session');
    expect(parts.stopMedia).toHaveBeenCalled();
  });

  it('the goodbye of a call one has already left does not disturb the next one', async () => {
    const { controller, hangUp } = setUp({ joinNowAs: 'Ada' });
    await controller.start();
    controller.leave();
    hangUp(failure('connection_lost'));
    expect(controller.get().phase).toBe('left');
  });
});

describe('a door that asks', () => {
  const refusing = (kind: 'password_required' | 'wrong_password') =>
    vi
      .fn<() => Promise<JoinAnswer>>()
      .mockRejectedValueOnce(new Refusal(failure(kind)))
      .mockResolvedValue(grant);

  it('for a password: it is typed where the name is, and remembered for a rejoin', async () => {
    const { parts, controller } = setUp({ enter: refusing('wrong_password') });
    await controller.start();
    await controller.join('Ada', 'nope');
    expect(controller.get()).toMatchObject({
      phase: 'prejoin',
      problem: { kind: 'wrong_password' },
    });
    await controller.join('Ada', 's3cret');
    controller.leave();
    await controller.rejoin();
    expect(parts.enter).toHaveBeenLastCalledWith('Ada', 's3cret');
  });

  it('a link that joins at once is brought to the page that asks', async () => {
    const { controller } = setUp({ joinNowAs: 'Ada', enter: refusing('password_required') });
    await controller.start();
    expect(controller.get()).toMatchObject({
      phase: 'prejoin',
      room: { name: 'Weekly' },
      problem: { kind: 'password_required' },
    });
  });
});

describe('the lobby', () => {
  type Standing = LobbyAnswer | { state: 'gone' } | undefined;

  /** Somebody third in line, and what the server says each time they ask. */
  function inLine(...answers: Standing[]) {
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

  it('refuses, or has forgotten: said, and the camera goes off', async () => {
    const { parts, controller } = inLine({ state: 'refused' });
    await controller.start();
    expect(controller.get()).toMatchObject({ failure: { kind: 'lobby_refused' } });
    expect(parts.stopMedia).toHaveBeenCalled();
    const other = inLine({ state: 'gone' });
    await other.controller.start();
    expect(other.controller.get()).toMatchObject({ failure: { kind: 'lobby_gone' } });
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

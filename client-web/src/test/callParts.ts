import { vi } from 'vitest';
import type { JoinAnswer, JoinGrant, RoomStatus } from '../api/types';
import { CallController, type CallParts } from '../media/callController';
import type { Standing } from '../media/lobby';
import type { Failure } from '../state/failure';

const room: RoomStatus = {
  id: 'k3m9x2qa',
  name: 'Weekly',
  num_participants: 0,
  max_participants: 0,
  created_at: 0,
  full: false,
};
export const grant: JoinGrant = { token: 't', url: 'ws://x', identity: 'ada-7f3k', room };

export class Refusal extends Error {
  constructor(readonly failure: Failure) {
    super(failure.kind);
  }
}

/** A controller whose surroundings are as a test says, and else well-behaved. */
export function setUp({
  joinNowAs,
  ...overrides
}: Partial<CallParts<string>> & { joinNowAs?: string } = {}) {
  let hangUp: (why: Failure | undefined) => void = () => undefined;
  const parts = {
    room: vi.fn(() => Promise.resolve(room)),
    enter: vi.fn((): Promise<JoinAnswer> => Promise.resolve(grant)),
    standing: (): Promise<Standing | undefined> => Promise.resolve({ state: 'gone' }),
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

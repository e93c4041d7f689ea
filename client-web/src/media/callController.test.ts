import { describe, expect, it, vi } from 'vitest';
import type { JoinAnswer, JoinGrant } from '../api/types';
import { failure } from '../state/failure';
import { grant, Refusal, setUp } from '../test/callParts';

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
    expect(parts.enter).toHaveBeenLastCalledWith('Ada', {});
  });

  it('with join=1 goes straight in: no extra round trip before the first frame', async () => {
    const { parts, controller } = setUp({ joinNowAs: 'Ada' });
    await controller.start();
    expect(controller.get().phase).toBe('connected');
    expect(parts.room).not.toHaveBeenCalled();
    expect(parts.startMedia).toHaveBeenCalled();
  });
});

it('whoever is at the door learns that a recording began', async () => {
  const room = vi.fn(() => Promise.resolve({ ...grant.room, full: false, is_recorded: false }));
  const { controller } = setUp({ room });
  await controller.look();
  // Nobody is at the door yet: there is no question.
  expect(room).not.toHaveBeenCalled();
  await controller.start();
  room.mockResolvedValue({ ...grant.room, full: false, is_recorded: true });
  await controller.look();
  expect(controller.get()).toMatchObject({ phase: 'prejoin', room: { is_recorded: true } });
  // An answer on its way when they go in is late.
  room.mockResolvedValue({ ...grant.room, full: false, is_recorded: false });
  const look = controller.look();
  await controller.join('Ada');
  await look;
  expect(controller.get()).toMatchObject({ phase: 'connected', room: grant.room });
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
  const refusing = (kind: 'password_required' | 'wrong_password' | 'consent_required') =>
    vi
      .fn<() => Promise<JoinAnswer>>()
      .mockRejectedValueOnce(new Refusal(failure(kind)))
      .mockResolvedValue(grant);

  it('for a password: it is typed where the name is, and remembered for a rejoin', async () => {
    const { parts, controller } = setUp({ enter: refusing('wrong_password') });
    await controller.start();
    await controller.join('Ada', { password: 'nope' });
    expect(controller.get()).toMatchObject({
      phase: 'prejoin',
      problem: { kind: 'wrong_password' },
    });
    await controller.join('Ada', { password: 's3cret' });
    controller.leave();
    await controller.rejoin();
    expect(parts.enter).toHaveBeenLastCalledWith('Ada', { password: 's3cret' });
  });

  it('an emptied field is no password, also when there was one before', async () => {
    const { parts, controller } = setUp({ enter: refusing('wrong_password') });
    await controller.start();
    await controller.join('Ada', { password: 'nope' });
    await controller.join('Ada');
    expect(parts.enter).toHaveBeenLastCalledWith('Ada', {});
  });

  it('for consent to a recording: one agrees, and has still agreed at a rejoin', async () => {
    const { parts, controller } = setUp({ enter: refusing('consent_required') });
    await controller.start();
    await controller.join('Ada');
    expect(controller.get()).toMatchObject({
      phase: 'prejoin',
      problem: { kind: 'consent_required' },
    });
    await controller.join('Ada', { consents: true });
    controller.leave();
    await controller.rejoin();
    expect(parts.enter).toHaveBeenLastCalledWith('Ada', { consents: true });
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

import { describe, expect, it } from 'vitest';
import { reduceCall, type Call, type CallEvent } from './call';
import { failure } from './failure';

const room = {
  id: 'k3m9x2qa',
  name: 'Weekly',
  num_participants: 1,
  max_participants: 2,
  created_at: 0,
  full: false,
};

function play(...events: CallEvent<string>[]): Call<string> {
  return events.reduce<Call<string>>(reduceCall, { phase: 'checking' });
}

const found: CallEvent<string> = { type: 'found', room };
const connected: CallEvent<string> = { type: 'connected', session: 'S', room };

describe('one tab and one room', () => {
  it('news of the room is for who is at its door', () => {
    const news: CallEvent<string> = { type: 'news', room: { ...room, is_recorded: true } };
    const told = { room: { is_recorded: true } };
    expect(play(found, news)).toMatchObject({ phase: 'prejoin', ...told });
    const join: CallEvent<string> = { type: 'join' };
    const waiting: CallEvent<string> = { type: 'waiting', position: 2 };
    expect(play(found, join, waiting, news)).toMatchObject({
      phase: 'waiting',
      position: 2,
      ...told,
    });
    // A link with `join=1` knew nothing of it.
    expect(play(join, waiting, news)).toMatchObject(told);
    expect(play(found, join, connected, news)).toEqual(play(found, join, connected));
    expect(play(news)).toEqual({ phase: 'checking' });
  });

  it('looks, asks, joins, talks, leaves', () => {
    expect(play(found).phase).toBe('prejoin');
    expect(play(found, { type: 'join' }).phase).toBe('joining');
    expect(play(found, { type: 'join' }, connected)).toMatchObject({ phase: 'connected' });
    expect(
      play(found, { type: 'join' }, connected, { type: 'disconnected', failure: undefined }).phase,
    ).toBe('left');
  });

  it('says that a room is full before anybody types a name', () => {
    const call = play({ type: 'found', room: { ...room, full: true } });
    expect(call).toMatchObject({ phase: 'failed', failure: { kind: 'room_full' } });
  });

  it('a refused name goes back to where it can be changed', () => {
    const call = play(found, { type: 'join' }, { type: 'failed', failure: failure('bad_name') });
    expect(call).toMatchObject({ phase: 'prejoin', problem: { kind: 'bad_name' } });
  });

  it('a refused name in a link that joins at once has no page to go back to', () => {
    const call = play({ type: 'join' }, { type: 'failed', failure: failure('bad_name') });
    expect(call.phase).toBe('failed');
  });

  it('a call that ends for a reason tells it, and can be rejoined', () => {
    const removed = play(found, { type: 'join' }, connected, {
      type: 'disconnected',
      failure: failure('removed'),
    });
    expect(removed).toMatchObject({ phase: 'failed', failure: { kind: 'removed' } });
    expect(reduceCall(removed, { type: 'join' })).toMatchObject({ phase: 'joining', room });
  });

  it('late news about a call that never stood changes nothing', () => {
    const waiting = play(found);
    expect(reduceCall(waiting, { type: 'disconnected', failure: failure('removed') })).toBe(
      waiting,
    );
    expect(reduceCall(waiting, connected)).toBe(waiting);
  });

  it('a room looked up too late does not throw anybody out of the call', () => {
    const call = play({ type: 'join' }, connected);
    expect(reduceCall(call, found)).toBe(call);
  });
});

import { act, screen, within } from '@testing-library/react';
import { ConnectionState, RemoteParticipant, RoomEvent } from 'livekit-client';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { preferences } from '../state/preferences';
import { failure } from '../state/failure';
import { enter, say } from '../test/enterRoom';
import { respond } from '../test/respond';

beforeEach(() => {
  preferences.set({ shortcuts: true });
  window.history.replaceState(null, '', '/r/k3m9x2qa?name=Ada&join=1');
});

describe('a call, seen from the page', () => {
  it('the first one in sees themselves, and how to invite others', async () => {
    const { user } = enter();
    expect(screen.getByTestId('tile').dataset).toMatchObject({ local: 'true', source: 'camera' });
    await user.click(within(screen.getByLabelText('Invite others')).getByRole('button'));
    // The room, and none of the options of this tab.
    expect(await window.navigator.clipboard.readText()).toBe('http://localhost:3000/r/k3m9x2qa');
    expect(await screen.findByText('Invite link copied')).toBeVisible();
  });

  it('an encrypted call shows the lock and hands the key on', async () => {
    const { user } = enter({ key: 's3cr+t' });
    expect(screen.getByTestId('e2ee-lock')).toBeVisible();
    await user.keyboard('l');
    expect(await window.navigator.clipboard.readText()).toMatch(/#e2ee=s3cr%2Bt$/);
  });

  it('keys open and close panels, and are only letters while one types', async () => {
    const { user } = enter();
    await user.keyboard('c');
    const input = screen.getByTestId('chat-input');
    expect(input).toHaveValue('');
    await user.type(input, 'can people see my screen?');
    expect(input).toHaveValue('can people see my screen?');
    expect(screen.queryByRole('heading', { name: /^People/ })).toBeNull();
    await user.keyboard('{Escape}');
    expect(screen.queryByTestId('chat-input')).toBeNull();
    await user.keyboard('p');
    expect(screen.getByTestId('people-row')).toBeVisible();
  });

  it('closing a panel gives the focus back to the button that opened it', async () => {
    const { user } = enter();
    await user.click(screen.getByTestId('control-chat'));
    await user.click(screen.getByRole('button', { name: 'Close chat' }));
    expect(screen.getByTestId('control-chat')).toHaveFocus();
  });

  it('the layout switches both ways', async () => {
    const { user } = enter();
    await user.keyboard('g');
    expect(screen.getByTestId('layout-stage')).toBeVisible();
    await user.click(screen.getByTestId('control-layout'));
    expect(screen.getByTestId('layout-grid')).toBeVisible();
  });

  it('shortcuts can be turned off, except the way to turn them on again', async () => {
    const { user } = enter();
    await user.keyboard('?');
    await user.click(screen.getByRole('switch', { name: 'Single-key shortcuts' }));
    await user.click(screen.getByRole('button', { name: 'Close' }));
    await user.keyboard('c');
    expect(screen.queryByTestId('chat-input')).toBeNull();
    await user.keyboard('?');
    expect(screen.getByRole('switch', { name: 'Single-key shortcuts' })).not.toBeChecked();
  });

  it('says while the connection is being restored, and stops saying it', () => {
    const { room } = enter();
    const become = (state: ConnectionState) => {
      act(() => {
        room.state = state;
        room.emit(RoomEvent.ConnectionStateChanged, state);
      });
    };
    become(ConnectionState.Reconnecting);
    expect(screen.getByTestId('reconnecting')).toBeVisible();
    become(ConnectionState.Connected);
    expect(screen.queryByTestId('reconnecting')).toBeNull();
  });

  it('a camera that did not open costs a notice, not the call', async () => {
    enter({ problems: [failure('device_in_use', { title: 'Camera is busy in another app' })] });
    expect(await screen.findByText(/Camera is busy in another app/)).toBeVisible();
    expect(screen.getByTestId('room')).toBeVisible();
  });

  it('leaves', async () => {
    const { onLeave, user } = enter();
    await user.click(screen.getByTestId('control-leave'));
    expect(onLeave).toHaveBeenCalledOnce();
  });

  it('a hand goes up by a key, as a question to the server about oneself', async () => {
    const { user } = enter();
    const asked = respond({});
    await user.keyboard('h');
    expect(asked).toMatchObject([
      {
        method: 'POST',
        path: expect.stringMatching(/^\/api\/rooms\/k3m9x2qa\/participants\/.*\/hand$/) as string,
        body: { raised: true },
        headers: { authorization: 'Bearer token' },
      },
    ]);
    // What the server refuses is said.
    expect(await screen.findByText(/The server is not answering/)).toBeVisible();
  });

  it('a host may ask; only the person unmutes', async () => {
    const { room, user } = enter();
    const unmute = vi
      .spyOn(room.localParticipant, 'setMicrophoneEnabled')
      .mockResolvedValue(undefined);
    const ask = () => {
      say(room, { type: 'unmute_request', source: 'microphone', by: 'ada' });
    };
    ask();
    await user.click(screen.getByTestId('unmute-decline'));
    expect(unmute).not.toHaveBeenCalled();
    ask();
    // Another request does not change what the button means.
    say(room, { type: 'unmute_request', source: 'camera', by: 'ben' });
    expect(screen.getByText('Your microphone stays off until you say so.')).toBeVisible();
    await user.click(screen.getByTestId('unmute-accept'));
    expect(unmute).toHaveBeenCalledWith(true);
    expect(screen.queryByTestId('unmute-accept')).toBeNull();
  });

  it('nobody but the server is believed about the room', () => {
    const { room } = enter();
    const packet = new TextEncoder().encode('{"type":"entry","locked":true,"lobby":false}');
    const mallory = new RemoteParticipant(room.engine.client, 'PA_m', 'mallory');
    act(() => {
      room.emit(RoomEvent.DataReceived, packet, mallory, undefined, 'sluice.room');
    });
    expect(screen.queryByTestId('room-locked')).toBeNull();
    say(room, { type: 'entry', locked: true, lobby: false });
    expect(screen.getByTestId('room-locked')).toBeVisible();
  });

  it('no message of anybody, however odd, takes the chat or the call away', async () => {
    const { room, user } = enter();
    await user.keyboard('c');
    const mallory = new RemoteParticipant(room.engine.client, 'PA_m', 'mallory');
    const says = (text: string) => {
      act(() => {
        const packet = new TextEncoder().encode(text);
        room.emit(RoomEvent.DataReceived, packet, mallory, undefined, 'lk-chat-topic');
      });
    };
    says('{"id":"1","message":"From the far future","timestamp":9000000000000000000}');
    says('{"message":{}}');
    says('no JSON');
    says('{"id":"2","message":"And on we go","timestamp":1}');
    expect(screen.getAllByTestId('chat-message')).toHaveLength(2);
    expect(screen.getByText('From the far future')).toBeVisible();
    expect(screen.getByText('And on we go')).toBeVisible();
  });

  it('somebody who moderates sees who waits, and lets them in', async () => {
    const { room, user } = enter();
    const asked = respond({
      'GET /api/rooms/k3m9x2qa/lobby': {
        status: 200,
        body: { waiting: [{ ticket: 't-1', name: 'Grace', identity: 'grace', since: 0 }] },
      },
      'POST /api/rooms/k3m9x2qa/lobby/t-1/admit': { status: 200, body: {} },
    });
    say(room, { type: 'lobby', waiting: 1 });
    expect(await screen.findByText('Somebody is waiting to come in')).toBeVisible();
    await user.click(screen.getByTestId('control-people'));
    await user.click(await screen.findByRole('button', { name: 'Admit Grace' }));
    expect(asked.at(-1)?.path).toBe('/api/rooms/k3m9x2qa/lobby/t-1/admit');
    say(room, { type: 'lobby', waiting: 0 });
    expect(screen.queryByTestId('lobby-panel')).toBeNull();
  });

  it('ending the call for all asks twice', async () => {
    const { room, user } = enter();
    say(room, { type: 'lobby', waiting: 0 });
    const asked = respond({ 'POST /api/rooms/k3m9x2qa/end': { status: 200, body: {} } });
    await user.click(screen.getByTestId('control-host'));
    const before = screen.getByRole('dialog');
    await user.click(screen.getByTestId('host-end'));
    // Another dialog, so that the browser places the focus in it.
    expect(screen.getByRole('dialog')).not.toBe(before);
    expect(asked).toEqual([]);
    await user.click(screen.getByTestId('host-end-confirm'));
    expect(asked).toMatchObject([{ path: '/api/rooms/k3m9x2qa/end' }]);
  });

  it('a reaction floats up and is said', async () => {
    const { room, user } = enter();
    const sent = vi.spyOn(room.localParticipant, 'publishData').mockResolvedValue(undefined);
    await user.click(screen.getByTestId('control-react'));
    await user.click(screen.getByTestId('react-applause'));
    expect(sent).toHaveBeenCalledOnce();
    expect(screen.getByTestId('reaction')).toHaveTextContent('👏');
    expect(screen.getByText('You reacted with applause')).toHaveAttribute('aria-live', 'polite');
  });
});

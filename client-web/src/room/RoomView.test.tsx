import { act, render, screen, within } from '@testing-library/react';
import userEvent, { type UserEvent } from '@testing-library/user-event';
import { ConnectionState, Room, RoomEvent } from 'livekit-client';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { preferences } from '../state/preferences';
import { RoomControl } from '../media/roomControl';
import { failure } from '../state/failure';
import { RoomView } from './RoomView';

const info = {
  id: 'k3m9x2qa',
  name: 'Weekly',
  num_participants: 1,
  max_participants: 0,
  created_at: 0,
};

/** A call in a livekit Room that has not reached a server: everything but the network is real. */
function enter({
  key,
  problems = [] as ReturnType<typeof failure>[],
}: { key?: string; problems?: ReturnType<typeof failure>[] } = {}) {
  const room = new Room();
  const onLeave = vi.fn();
  const user: UserEvent = userEvent.setup();
  render(
    <RoomView
      session={{
        room,
        joinedAt: Date.now(),
        encrypted: key !== undefined,
        token: () => 'token',
        control: new RoomControl(room),
        problems: Promise.resolve(problems),
      }}
      roomInfo={info}
      encryptionKey={key}
      onLeave={onLeave}
    />,
  );
  return { room, onLeave, user };
}

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
});

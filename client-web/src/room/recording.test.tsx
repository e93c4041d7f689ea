import { act, screen } from '@testing-library/react';
import { RoomEvent } from 'livekit-client';
import { describe, expect, it } from 'vitest';
import { enter, say } from '../test/enterRoom';
import { respond } from '../test/respond';

describe('recording a call', () => {
  it('a recording is shown and said, to who comes late as well', async () => {
    const { room } = enter();
    const record = (on: boolean) => {
      act(() => {
        Object.assign(room, { roomInfo: { activeRecording: on } });
        room.emit(RoomEvent.RecordingStatusChanged, on);
      });
    };
    expect(screen.queryByTestId('room-recording')).toBeNull();
    record(true);
    expect(screen.getByTestId('room-recording')).toBeVisible();
    expect(await screen.findByText('This call is being recorded')).toBeVisible();
    record(false);
    expect(screen.queryByTestId('room-recording')).toBeNull();
    expect(await screen.findByText('The recording has stopped')).toBeVisible();
    // Somebody who is here to record, whom the server knows only as that.
    say(room, { type: 'session', state: 'Recording' });
    expect(screen.getByTestId('room-recording')).toBeVisible();
  });

  it('a host is asked before a recording begins, and told why it does not', async () => {
    const { room, user } = enter();
    say(room, { type: 'lobby', waiting: 0 });
    const asked = respond({
      'POST /api/rooms/k3m9x2qa/recordings': {
        status: 409,
        body: { error: { code: 'disk_full', message: 'there is no room left to record into' } },
      },
    });
    await user.click(screen.getByTestId('control-host'));
    await user.click(screen.getByTestId('host-record'));
    expect(screen.getByRole('dialog')).toHaveTextContent(/Everybody here sees/);
    expect(asked).toEqual([]);
    await user.click(screen.getByTestId('record-confirm'));
    expect(await screen.findByText('There is no room left to record into')).toBeVisible();
    expect(asked).toMatchObject([{ method: 'POST', path: '/api/rooms/k3m9x2qa/recordings' }]);
  });

  it('what only the people in it can read nobody else records', async () => {
    const { room, user } = enter({ key: 's3cret' });
    say(room, { type: 'lobby', waiting: 0 });
    await user.click(screen.getByTestId('control-host'));
    expect(screen.getByTestId('host-unrecordable')).toBeVisible();
    expect(screen.queryByTestId('host-record')).toBeNull();
  });
});

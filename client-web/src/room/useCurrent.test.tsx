import { RoomContext } from '@livekit/components-react';
import { ConnectionQuality, ParticipantEvent, Room, RoomEvent, Track } from 'livekit-client';
import { act, render, screen } from '@testing-library/react';
import { useLayoutEffect } from 'react';
import { describe, expect, it } from 'vitest';
import { NO_CONTROL } from '../state/notices';
import { ParticipantTile } from './ParticipantTile';
import { useRecording } from './useRecording';

/** Something that happens when a component is drawn and does not listen yet. */
function Meanwhile({ happens }: { happens: () => void }) {
  useLayoutEffect(happens, [happens]);
  return null;
}

describe('what is true now', () => {
  it('somebody is rated while the tile is put up, and again later', () => {
    const room = new Room();
    const me = room.localParticipant;
    const rate = (quality: ConnectionQuality) => {
      Object.assign(me, { _connectionQuality: quality });
      me.emit(ParticipantEvent.ConnectionQualityChanged, quality);
    };
    const happens = () => {
      rate(ConnectionQuality.Good);
    };
    render(
      <RoomContext.Provider value={room}>
        <ParticipantTile trackRef={{ participant: me, source: Track.Source.Camera }} />
        <Meanwhile happens={happens} />
      </RoomContext.Provider>,
    );
    expect(screen.getByTestId('tile')).toHaveAttribute('data-quality', 'good');
    act(() => {
      rate(ConnectionQuality.Poor);
    });
    expect(screen.getByTestId('tile')).toHaveAttribute('data-quality', 'poor');
  });

  it('a recording that begins while the room is put up is not missed', () => {
    const room = new Room();
    const happens = () => {
      Object.assign(room, { roomInfo: { activeRecording: true } });
      room.emit(RoomEvent.RecordingStatusChanged, true);
    };
    const said: string[] = [];
    const notify = (text: string) => void said.push(text);
    function Recorded() {
      return useRecording(NO_CONTROL, notify) ? 'recorded' : 'not recorded';
    }
    render(
      <RoomContext.Provider value={room}>
        <Recorded />
        <Meanwhile happens={happens} />
      </RoomContext.Provider>,
    );
    expect(screen.getByText('recorded')).toBeVisible();
    expect(said).toEqual(['This call is being recorded']);
  });
});

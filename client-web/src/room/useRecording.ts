import { useRoomContext } from '@livekit/components-react';
import { RoomEvent } from 'livekit-client';
import { useEffect, useRef } from 'react';
import type { Control } from '../state/notices';
import { useCurrent } from './useCurrent';
import type { ToastControl } from './useToasts';

/** Who comes, or comes back, hears it with the room. */
const RECORDED = [RoomEvent.RecordingStatusChanged, RoomEvent.ConnectionStateChanged];

/** Whether the call is recorded: by the server, or by somebody who is here to record it. Changes are said. */
export function useRecording(control: Control, notify: ToastControl['notify']): boolean {
  const byServer = useCurrent(useRoomContext(), RECORDED, (room) => room.isRecording);
  const recording = byServer || control.session === 'Recording';
  const before = useRef(false);
  useEffect(() => {
    if (recording === before.current) return;
    before.current = recording;
    notify(recording ? 'This call is being recorded' : 'The recording has stopped');
  }, [recording, notify]);
  return recording;
}

import { useIsRecording } from '@livekit/components-react';
import { useEffect, useRef } from 'react';
import type { Control } from '../state/notices';
import type { ToastControl } from './useToasts';

/** Whether the call is recorded: by the server, or by somebody who is here to record it. Changes are said. */
export function useRecording(control: Control, notify: ToastControl['notify']): boolean {
  const byServer = useIsRecording();
  const recording = byServer || control.session === 'Recording';
  const before = useRef(false);
  useEffect(() => {
    if (recording === before.current) return;
    before.current = recording;
    notify(recording ? 'This call is being recorded' : 'The recording has stopped');
  }, [recording, notify]);
  return recording;
}

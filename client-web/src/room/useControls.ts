import { useLocalParticipant } from '@livekit/components-react';
import { useCallback, useMemo } from 'react';
import { failureFromDevice } from '../media/livekitFailure';
import type { ToastControl } from './useToasts';

export interface Controls {
  micOn: boolean;
  cameraOn: boolean;
  sharing: boolean;
  canShare: boolean;
  toggleMic: () => void;
  toggleCamera: () => void;
  toggleShare: () => void;
}

/** The three things one sends. What a device refuses is told in a toast, never thrown. */
export function useControls(notify: ToastControl['notify']): Controls {
  const { localParticipant: me, ...on } = useLocalParticipant();
  const micOn = on.isMicrophoneEnabled;
  const cameraOn = on.isCameraEnabled;
  const sharing = on.isScreenShareEnabled;

  const report = useCallback(
    (device: string) => (error: unknown) => {
      const { title, advice } = failureFromDevice(error, device);
      notify(`${title}. ${advice}`, 'problem');
    },
    [notify],
  );
  const toggleMic = useCallback(() => {
    me.setMicrophoneEnabled(!micOn).catch(report('Microphone'));
  }, [me, micOn, report]);
  const toggleCamera = useCallback(() => {
    me.setCameraEnabled(!cameraOn).catch(report('Camera'));
  }, [me, cameraOn, report]);
  const toggleShare = useCallback(() => {
    // "detail": text must stay readable, frames may drop.
    me.setScreenShareEnabled(!sharing, { audio: true, contentHint: 'detail' }).catch(
      (error: unknown) => {
        // Closing the browser's picker is a decision, not a failure.
        if (error instanceof Error && error.name === 'NotAllowedError') return;
        report('Screen')(error);
      },
    );
  }, [me, sharing, report]);

  return useMemo(
    () => ({
      micOn,
      cameraOn,
      sharing,
      canShare: canShareScreen(),
      toggleMic,
      toggleCamera,
      toggleShare,
    }),
    [micOn, cameraOn, sharing, toggleMic, toggleCamera, toggleShare],
  );
}

/** Phones have no getDisplayMedia, plain http pages have no mediaDevices. */
function canShareScreen(): boolean {
  const devices = navigator.mediaDevices as Partial<MediaDevices> | undefined;
  return devices?.getDisplayMedia !== undefined;
}

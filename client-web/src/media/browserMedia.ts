/** Opens real devices through livekit, with the devices this browser remembers. */
import {
  createLocalTracks,
  Track,
  type LocalAudioTrack,
  type LocalVideoTrack,
} from 'livekit-client';
import type { PreferenceStore } from '../state/preferences';
import { failureFromDevice } from './livekitFailure';
import { LocalMedia, type Opener } from './localMedia';
import { audioCapture, videoCapture } from './roomOptions';

export type PreviewMedia = LocalMedia<LocalVideoTrack, LocalAudioTrack>;

export function createPreviewMedia(
  preferences: PreferenceStore,
  intent: { camera: boolean; microphone: boolean },
): PreviewMedia {
  const opener: Opener<LocalVideoTrack, LocalAudioTrack> = {
    async open(want) {
      const remembered = preferences.get();
      const tracks = await createLocalTracks({
        video: want.camera && videoCapture(remembered),
        audio: want.microphone && audioCapture(remembered),
      });
      const result: { camera?: LocalVideoTrack; microphone?: LocalAudioTrack } = {};
      for (const track of tracks) {
        if (track.kind === Track.Kind.Video) result.camera = track as LocalVideoTrack;
        else result.microphone = track as LocalAudioTrack;
      }
      return result;
    },
    explain: failureFromDevice,
    worthTryingAlone,
  };
  return new LocalMedia(opener, intent);
}

/**
 * After a refusal only a device that is already allowed: asking again for one that a person has just
 * said no to, or waved away, is nagging. After any other error, always.
 */
async function worthTryingAlone(error: unknown, which: 'camera' | 'microphone'): Promise<boolean> {
  if (!(error instanceof DOMException) || error.name !== 'NotAllowedError') return true;
  try {
    const { state } = await navigator.permissions.query({ name: which });
    return state === 'granted';
  } catch {
    return false;
  }
}

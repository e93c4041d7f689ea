/** How we ask livekit to behave. Pure, so that "720p and three layers by default" is a test. */
import {
  VideoPresets,
  type AudioCaptureOptions,
  type RoomOptions,
  type VideoCaptureOptions,
} from 'livekit-client';
import type { JoinOptions } from '../state/joinOptions';
import type { Preferences } from '../state/preferences';

type Devices = Pick<Preferences, 'camera' | 'microphone' | 'speaker'>;

/** 720p: browsers send the third simulcast layer only from sources of 960x540 or more. */
export function videoCapture(devices: Devices): VideoCaptureOptions {
  return { resolution: VideoPresets.h720.resolution, ...deviceId(devices.camera) };
}

export function audioCapture(devices: Devices): AudioCaptureOptions {
  return {
    echoCancellation: true,
    noiseSuppression: true,
    autoGainControl: true,
    ...deviceId(devices.microphone),
  };
}

export function roomOptions(
  options: Pick<JoinOptions, 'codec' | 'simulcast'>,
  devices: Devices,
): RoomOptions {
  return {
    // Ask for no more pixels than a tile shows, and send no layer that nobody watches.
    adaptiveStream: true,
    dynacast: true,
    videoCaptureDefaults: videoCapture(devices),
    audioCaptureDefaults: audioCapture(devices),
    ...(devices.speaker === undefined ? {} : { audioOutput: { deviceId: devices.speaker } }),
    publishDefaults: {
      simulcast: options.simulcast,
      ...(options.codec === undefined ? {} : { videoCodec: options.codec }),
    },
  };
}

function deviceId(id: string | undefined): { deviceId?: string } {
  return id === undefined ? {} : { deviceId: id };
}

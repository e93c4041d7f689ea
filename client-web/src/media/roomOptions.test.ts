import { expect, it } from 'vitest';
import { roomOptions } from './roomOptions';

const nothingRemembered = { camera: undefined, microphone: undefined, speaker: undefined };

it('by default: 720p with simulcast, adaptive stream and dynacast, livekit’s own codec', () => {
  const options = roomOptions({ codec: undefined, simulcast: true }, nothingRemembered);
  expect(options).toMatchObject({
    adaptiveStream: true,
    dynacast: true,
    publishDefaults: { simulcast: true },
  });
  expect(options.publishDefaults).not.toHaveProperty('videoCodec');
  // Three simulcast layers exist only from 960x540 up.
  const { width, height } = options.videoCaptureDefaults?.resolution ?? { width: 0, height: 0 };
  expect(width).toBeGreaterThanOrEqual(960);
  expect(height).toBeGreaterThanOrEqual(540);
});

it('as the link and the remembered devices say', () => {
  const options = roomOptions(
    { codec: 'av1', simulcast: false },
    { camera: 'cam', microphone: 'mic', speaker: 'spk' },
  );
  expect(options).toMatchObject({
    publishDefaults: { videoCodec: 'av1', simulcast: false },
    videoCaptureDefaults: { deviceId: 'cam' },
    audioCaptureDefaults: { deviceId: 'mic', echoCancellation: true },
    audioOutput: { deviceId: 'spk' },
  });
});

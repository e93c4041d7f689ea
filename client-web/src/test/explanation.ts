/** An explanation as the server gives it, to be bent by tests and shown by the gallery. */
import type { ExplainedTrack, Explanation } from '../api/types';

export function track(change: Partial<ExplainedTrack> = {}): ExplainedTrack {
  return {
    sid: 'TR_VC1',
    publisher: { sid: 'PA_ada', identity: 'ada' },
    kind: 'video',
    source: 'camera',
    name: '',
    codec: 'video/VP8',
    allocated_bps: 500_000,
    delivered_bps: 420_000,
    wanted_bps: 1_700_000,
    wanted_layer: { spatial: 2, temporal: 2 },
    target_layer: { spatial: 1, temporal: 2 },
    current_layer: { spatial: 1, temporal: 2 },
    resolution: { width: 640, height: 360 },
    fps: 23.7,
    reason: 'bandwidth',
    explanation: "the receiver's connection has no room for a better layer",
    ...change,
  };
}

export function explained(
  tracks: ExplainedTrack[],
  link: Partial<Explanation['link']> = {},
): Explanation {
  return {
    participant: { sid: 'PA_me', identity: 'me' },
    link: {
      estimate_bps: 900_000,
      allocated_bps: 580_000,
      sent_bps: 610_000,
      loss: 0.004,
      rtt_ms: 48,
      jitter_ms: 6,
      ...link,
    },
    tracks,
  };
}

/** A recording as the server tells of it, to be bent by tests and shown by the gallery. */
import type { RecordingInfo } from '../api/recordings';

export function recordingOf(change: Partial<RecordingInfo> = {}): RecordingInfo {
  return {
    id: 'EG_1',
    room: 'k3m9x2qa',
    session: 'RM_1',
    state: 'complete',
    reason: null,
    started_at: Date.UTC(2026, 10, 22, 5),
    ended_at: Date.UTC(2026, 10, 22, 5, 1),
    duration_ms: 60_000,
    bytes: 4_200_000,
    files: [
      { name: 'ada.webm', bytes: 2_200_000, content_type: 'video/webm' },
      { name: 'ben.webm', bytes: 2_000_000, content_type: 'video/webm' },
    ],
    has_manifest: true,
    composite: { state: 'none', progress: 0, file: null, reason: null },
    is_held: false,
    expires_at: null,
    ...change,
  };
}

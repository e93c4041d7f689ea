/** Recordings: made of a room, kept by the server, played and taken away. For hosts, accounts and operators. */
import { roomPath } from './client';
import { request } from './http';

export type RecordingState =
  'starting' | 'active' | 'ending' | 'complete' | 'failed' | 'aborted' | 'limit_reached';

/** How several people are put into one picture; LiveKit's names. */
export type Layout = 'grid' | 'speaker' | 'single-speaker';

export interface RecordingFile {
  name: string;
  bytes: number;
  content_type: string;
}

export interface Composite {
  state: 'none' | 'waiting' | 'running' | 'done' | 'failed';
  /** 0 to 1. */
  progress: number;
  /** The name of what was made. */
  file: string | null;
  reason: string | null;
}

/** Times are Unix milliseconds throughout. */
export interface RecordingInfo {
  id: string;
  room: string;
  /** The session it was made in. */
  session: string;
  state: RecordingState;
  /** Why it ended, where it was not stopped. */
  reason: string | null;
  started_at: number;
  ended_at: number | null;
  duration_ms: number;
  bytes: number;
  files: RecordingFile[];
  /** It can be played in step; without, there are only its files. */
  has_manifest: boolean;
  /** All of it as one video. */
  composite: Composite;
  /** Nobody may delete it, and it does not expire. */
  is_held: boolean;
  expires_at: number | null;
}

export interface RecordingPage {
  recordings: RecordingInfo[];
  next: string | null;
}

/** Addresses that a `<video>` opens without being asked who it is; good for minutes. */
export interface Addresses {
  expires_at: number;
  files: { name: string; url: string }[];
}

export type RecordingSource =
  | { kind: 'room'; layout: Layout }
  | { kind: 'participant'; identity: string }
  | { kind: 'track'; track_sid: string };

type Token = string | undefined;

const path = (id: string) => `/api/recordings/${encodeURIComponent(id)}`;

export const recordings = {
  /** `composite`: one video of it is made when it is over. */
  start: (room: string, what: { source: RecordingSource; composite: boolean }, token: Token) =>
    request<RecordingInfo>('POST', `${roomPath(room)}/recordings`, { body: what, token }),

  stop: (id: string, token: Token) =>
    request<RecordingInfo>('POST', `${path(id)}/stop`, { body: {}, token }),

  /** The newest first; `before` is what an answer calls `next`, where there are older ones. */
  list: (query: { room?: string; limit?: number; before?: string }, token: Token) =>
    request<RecordingPage>('GET', '/api/recordings', { query, token }),

  get: (id: string, token: Token) => request<RecordingInfo>('GET', path(id), { token }),

  /** As the recorder wrote it; `playback/manifest.ts` reads it. */
  manifest: (id: string, token: Token) =>
    request<unknown>('GET', `${path(id)}/manifest`, { token }),

  addresses: (id: string, token: Token) =>
    request<Addresses>('POST', `${path(id)}/playback`, { body: {}, token }),

  compose: (id: string, layout: Layout, token: Token) =>
    request<RecordingInfo>('POST', `${path(id)}/composite`, { body: { layout }, token }),

  /** `keep_days`: from its end on; `null` for as long as there is room. */
  change: (id: string, change: { is_held?: boolean; keep_days?: number | null }, token: Token) =>
    request<RecordingInfo>('PATCH', path(id), { body: change, token }),

  remove: (id: string, token: Token) => request<unknown>('DELETE', path(id), { token }),
};

/** Tracks are being written. */
export function isGoingOn({ state }: Pick<RecordingInfo, 'state'>): boolean {
  return state === 'starting' || state === 'active';
}

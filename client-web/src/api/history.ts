/** What happened and how it went: sessions, quality, the node, the event log. For accounts and operators. */
import { request, requestFile } from './http';

/** Times are Unix milliseconds throughout. */
export interface SessionInfo {
  session_id: string;
  room_id: string;
  room_name: string;
  kind: 'appointment' | 'instant';
  phase: 'scheduled' | 'active' | 'ended';
  state: string;
  companion_id: string | null;
  started_at: number | null;
  ended_at: number | null;
  duration_seconds: number | null;
  participants: number;
  message_count: number;
  transcript_preview: string | null;
}

export interface Stay {
  participant_id: string;
  identity: string;
  name: string;
  role: string;
  user_id: string | null;
  joined_at: number;
  left_at: number | null;
  duration_seconds: number | null;
  left_because: string | null;
}

export interface SessionDetail extends Omit<SessionInfo, 'participants'> {
  participants: Stay[];
}

export interface QualitySample {
  participant_id: string;
  identity: string;
  at: number;
  /** Bits per second. */
  bitrate: number | null;
  frameRate: number | null;
  resolution: { width: number; height: number } | null;
  /** 0 to 1. */
  packetLoss: number | null;
  /** Milliseconds. */
  latency: number | null;
  jitter: number | null;
  quality: QualityWord;
}

export type QualityWord = 'excellent' | 'good' | 'fair' | 'poor' | 'lost';

export interface SystemMetrics {
  sessions: {
    active: number;
    total: number;
    /** Seconds. */
    avgDuration: number;
    qualityDistribution: { excellent: number; good: number; fair: number; poor: number };
  };
  performance: {
    /** Percent of one processor's time. */
    cpuUsage: number;
    /** Bytes. */
    memoryUsage: number;
    /** Bits per second. */
    networkBandwidth: number;
    /** Bytes. */
    diskUsage: number;
  };
  errors: {
    connectionFailures: number;
    audioIssues: number;
    videoIssues: number;
    systemErrors: number;
  };
  node: {
    id: string;
    version: string;
    uptime_s: number;
    rooms: number;
    participants: number;
    workers: number;
  };
}

export interface LoadSample {
  at: number;
  cpuUsage: number;
  memoryUsage: number;
  networkBandwidth: number;
  rooms: number;
  participants: number;
}

export interface LogEntry {
  number: number;
  room?: string;
  kind: string;
  at: number;
  event?: unknown;
}

export interface LogPage {
  events: LogEntry[];
  more: boolean;
  oldest: number | null;
  /** The last one that was ever written. */
  newest?: number;
}

type Token = string | undefined;
export type Format = 'json' | 'csv';

const sessionPath = (id: string) => `/api/sessions/${encodeURIComponent(id)}`;

export const history = {
  sessions: (query: { room?: string; before?: number; limit?: number }, token: Token) =>
    request<{ sessions: SessionInfo[]; more: boolean }>('GET', '/api/sessions', { query, token }),

  session: (id: string, token: Token) => request<SessionDetail>('GET', sessionPath(id), { token }),

  quality: async (id: string, token: Token) =>
    (await request<{ samples: QualitySample[] }>('GET', `${sessionPath(id)}/quality`, { token }))
      .samples,

  sessionsFile: (format: Format, room: string | undefined, token: Token) =>
    requestFile('/api/sessions', { query: { room, format }, token }),

  qualityFile: (id: string, format: Format, token: Token) =>
    requestFile(`${sessionPath(id)}/quality`, { query: { format }, token }),

  system: (token: Token) => request<SystemMetrics>('GET', '/api/system', { token }),

  load: async (minutes: number, token: Token) =>
    (
      await request<{ samples: LoadSample[] }>('GET', '/api/system/history', {
        query: { minutes },
        token,
      })
    ).samples,

  settings: (token: Token) => request<unknown>('GET', '/api/system/settings', { token }),

  events: (query: { after: number; limit: number }, token: Token) =>
    request<LogPage>('GET', '/api/events', { query, token }),

  endRoom: (id: string, token: Token) =>
    request<unknown>('POST', `/api/rooms/${encodeURIComponent(id)}/end`, { body: {}, token }),
};

/** The machine-readable description of the API. */
export const apiDocument = () => request<unknown>('GET', '/api/openapi.json');

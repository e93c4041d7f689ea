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
  /** Of one that is over. */
  duration_seconds: number | null;
  participants: number;
  message_count: number;
  /** Empty where nothing is kept of what was said. */
  transcript_preview: string;
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
  /** Such as `1280x720`; empty without a picture. */
  resolution: string;
  /** Per cent. */
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
    /** Per cent of all cores; `null` where the system does not say. */
    cpuUsage: number | null;
    /** Bytes. */
    memoryUsage: number | null;
    /** Bits per second of media, both ways together. */
    networkBandwidth: number;
    /** Bytes. */
    diskUsage: number;
  };
  errors: {
    /** Calls of the last day whose media never came up. */
    connectionFailures: number;
    /** Sounds and pictures that something keeps from being as they should, now. */
    audioIssues: number;
    videoIssues: number;
    /** What was lost since the server began. */
    systemErrors: number;
  };
  node: {
    id: string;
    version: string;
    uptime_s: number;
    rooms: number;
    participants: number;
    /** Some worker takes rooms. */
    able: boolean;
  };
}

export interface LoadSample {
  at: number;
  cpuUsage: number | null;
  memoryUsage: number | null;
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

/** Enough for days; whoever has more takes the file. */
const QUALITY_PAGES = 20;

const sessionPath = (id: string) => `/api/sessions/${encodeURIComponent(id)}`;

export const history = {
  /** `before` is the id of a session: older ones than that. */
  sessions: (query: { room?: string; before?: string; limit?: number }, token: Token) =>
    request<{ sessions: SessionInfo[]; more: boolean }>('GET', '/api/sessions', { query, token }),

  session: (id: string, token: Token) => request<SessionDetail>('GET', sessionPath(id), { token }),

  /** All samples of a session: a long one comes in several answers, which meet in one moment. */
  quality: async (id: string, token: Token) => {
    const samples = new Map<string, QualitySample>();
    let from: number | undefined;
    for (let page = 0; page < QUALITY_PAGES; page++) {
      const answer = await request<{ samples: QualitySample[]; more?: boolean }>(
        'GET',
        `${sessionPath(id)}/quality`,
        { query: { from }, token },
      );
      for (const one of answer.samples) {
        samples.set(`${one.participant_id} ${String(one.at)}`, one);
      }
      const last = answer.samples.at(-1)?.at;
      if (answer.more !== true || last === undefined || last === from) break;
      from = last;
    }
    return [...samples.values()];
  },

  sessionsFile: (format: Format, room: string | undefined, token: Token) =>
    requestFile('/api/sessions', { query: { room, format, limit: 'all' }, token }),

  qualityFile: (id: string, format: Format, token: Token) =>
    requestFile(`${sessionPath(id)}/quality`, { query: { format, limit: 'all' }, token }),

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

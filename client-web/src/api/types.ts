/** What the native JSON API says. Field names are the wire's, so that a reader can grep the server. */

export interface ServerInfo {
  name: string;
  version: string;
  /** Development mode: the server lists its live rooms to anybody. */
  dev: boolean;
  /** Whether people may sign in here, and how. Absent on servers without accounts. */
  accounts?: {
    enabled: boolean;
    /** People may make accounts for themselves. */
    registration: boolean;
    /** A provider one can sign in with (OpenID Connect), by the name on its button. */
    oidc: { name: string } | null;
  };
  /** Anybody may start rooms. Absent on servers that let everybody. */
  guests?: boolean;
}

export interface RoomInfo {
  /** Eight lower-case letters or digits; also the LiveKit room name. */
  id: string;
  /** What people call it; may be empty. */
  name: string;
  num_participants: number;
  /** 0 = no limit. */
  max_participants: number;
  /** Unix milliseconds. */
  created_at: number;
  /** It stays when everybody has left. */
  lasting?: boolean;
  has_password?: boolean;
  /** Who comes waits until a host lets them in. */
  lobby?: boolean;
  /** Nobody new comes in. */
  locked?: boolean;
  /** People without an account may come in. */
  guests?: boolean;
  keeps_chat?: boolean;
  created_by?: string | null;
  /** Somebody is in it now, or was a moment ago. */
  live?: boolean;
  /** A recording goes on. */
  is_recorded?: boolean;
  /** Who comes in has to agree to be recorded. */
  asks_consent?: boolean;
  session_id?: string | null;
  session_state?: string | null;
}

/** What a new room shall be; what is left out is as the server has it. */
export interface NewRoom {
  name?: string;
  password?: string;
  lobby?: boolean;
  lasting?: boolean;
  guests?: boolean;
  keeps_chat?: boolean;
  /** `auto`: recorded from the first person on; `consent`: who joins has to agree to be recorded. */
  recording?: { auto: boolean; consent: boolean };
}

export interface RoomStatus extends RoomInfo {
  full: boolean;
}

export interface JoinGrant {
  token: string;
  url: string;
  identity: string;
  /** `host`, `participant`, or a role the operator made. */
  role?: string;
  /** Shows, after a reload, that one is who has the identity. */
  return_key?: string;
  room: RoomInfo;
}

export type JoinAnswer = JoinGrant | { waiting: { ticket: string; position: number } };

export type LobbyAnswer =
  | { state: 'waiting'; position: number }
  | ({ state: 'admitted' } & JoinGrant)
  | { state: 'refused' };

/** Why a participant sees what it sees. Rates in bits per second, times in milliseconds. */
export interface Explanation {
  participant: { sid: string; identity: string };
  link: {
    /** What the way to the participant is thought to carry. */
    estimate_bps: number;
    allocated_bps: number;
    sent_bps: number;
    /** 0 to 1. */
    loss: number;
    rtt_ms: number | null;
    jitter_ms: number | null;
  };
  tracks: ExplainedTrack[];
}

export interface ExplainedTrack {
  sid: string;
  publisher: { sid: string; identity: string };
  kind: 'audio' | 'video';
  source: 'camera' | 'microphone' | 'screen_share' | 'screen_share_audio' | 'unknown';
  name: string;
  codec: string;
  allocated_bps: number;
  delivered_bps: number;
  wanted_bps: number;
  wanted_layer: Layer | null;
  target_layer: Layer | null;
  current_layer: Layer | null;
  resolution: { width: number; height: number } | null;
  fps: number;
  reason: Reason;
  /** The reason in a server's words. */
  explanation: string;
}

export interface Layer {
  /** 0 is the smallest picture, 2 the largest. */
  spatial: number;
  temporal: number;
}

/** What limits a picture. A newer server may know more reasons than these. */
export type Reason =
  | 'connecting'
  | 'full'
  | 'subscriber_asked'
  | 'disabled'
  | 'bandwidth'
  | 'paused'
  | 'publisher_not_sending'
  | 'muted'
  | 'waiting_for_keyframe'
  | 'room_limit'
  | 'not_decodable';

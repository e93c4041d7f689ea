/** What the native JSON API says. Field names are the wire's, so that a reader can grep the server. */

export interface ServerInfo {
  name: string;
  version: string;
  /** Development mode: the server lists its live rooms to anybody. */
  dev: boolean;
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
}

export interface RoomStatus extends RoomInfo {
  full: boolean;
}

export interface JoinGrant {
  token: string;
  url: string;
  identity: string;
  room: RoomInfo;
}

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

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

/** What one may ask of a room one is in. The token is the participant's own; the room knows its role. */
import { request } from './http';
import { roomPath } from './client';
import { ApiError } from './errors';
import { isGoingOn, recordings, type RecordingInfo, type RecordingPage } from './recordings';

export type Source = 'microphone' | 'camera' | 'screen_share';

export interface Waiting {
  ticket: string;
  name: string;
  identity: string;
  /** Unix milliseconds. */
  since: number;
}

export interface KeptMessage {
  id: string;
  sequence: number;
  identity: string;
  name: string;
  sender: 'user' | 'ai';
  message: string;
  /** Unix milliseconds. */
  timestamp: number;
}

export interface Entry {
  locked: boolean;
  lobby: boolean;
}

/** Everything a person in a room can ask of it beside media. */
export interface RoomDesk {
  raiseHand(identity: string, raised: boolean): Promise<unknown>;
  mute(identity: string, source: Source): Promise<unknown>;
  askToUnmute(identity: string, source: Source): Promise<unknown>;
  remove(identity: string, keepOut: boolean): Promise<unknown>;
  setRole(identity: string, role: string): Promise<unknown>;
  muteAll(): Promise<unknown>;
  setEntry(change: Partial<Entry>): Promise<unknown>;
  end(): Promise<unknown>;
  /** Everybody's sound and pictures, each as it comes. */
  record(): Promise<unknown>;
  /** Whatever records the room now, whoever began it. */
  stopRecording(): Promise<unknown>;
  waiting(): Promise<Waiting[]>;
  admit(ticket: string): Promise<unknown>;
  refuse(ticket: string): Promise<unknown>;
  admitAll(): Promise<unknown>;
  chat(): Promise<KeptMessage[]>;
  deleteMessage(id: string): Promise<unknown>;
}

/** As many as an answer holds. */
const CHAT_PAGE = 500;
/** Of a long talk the end matters: so many messages of it, from so many answers at most. */
const CHAT_KEPT = 500;
const CHAT_PAGES = 20;

/** As many recordings as an answer holds. */
const RECORDINGS_PAGE = 1000;

/** One that began long ago may stand behind many that are over. */
async function goingOnIn(room: string, token: () => string): Promise<RecordingInfo[]> {
  const goingOn: RecordingInfo[] = [];
  let before: string | null = null;
  do {
    const query = { room, limit: RECORDINGS_PAGE, ...(before === null ? {} : { before }) };
    const answer: RecordingPage = await recordings.list(query, token());
    goingOn.push(...answer.recordings.filter(isGoingOn));
    before = answer.next;
  } while (before !== null);
  return goingOn;
}

/** `token` is asked for at each request: tokens are renewed during a call. */
export function roomDesk(id: string, token: () => string): RoomDesk {
  const path = roomPath(id);
  const post = (rest: string, body: unknown = {}) =>
    request<unknown>('POST', path + rest, { body, token: token() });
  const about = (identity: string) => `/participants/${encodeURIComponent(identity)}`;
  const ticketed = (ticket: string) => `/lobby/${encodeURIComponent(ticket)}`;
  return {
    raiseHand: (identity, raised) => post(`${about(identity)}/hand`, { raised }),
    mute: (identity, source) => post(`${about(identity)}/mute`, { source }),
    askToUnmute: (identity, source) => post(`${about(identity)}/ask-to-unmute`, { source }),
    remove: (identity, keepOut) => post(`${about(identity)}/remove`, { keep_out: keepOut }),
    setRole: (identity, role) => post(`${about(identity)}/role`, { role }),
    muteAll: () => post('/mute-all'),
    setEntry: (change) => request('PATCH', path, { body: change, token: token() }),
    end: () => post('/end'),
    record: () =>
      recordings.start(id, { source: { kind: 'room', layout: 'grid' }, composite: false }, token()),
    stopRecording: async () => {
      const goingOn = await goingOnIn(id, token);
      if (goingOn.length === 0) {
        throw new ApiError(404, 'no_recording', 'there is no recording that you can stop.');
      }
      await Promise.all(goingOn.map((one) => recordings.stop(one.id, token())));
    },
    waiting: async () =>
      (await request<{ waiting: Waiting[] }>('GET', `${path}/lobby`, { token: token() })).waiting,
    admit: (ticket) => post(`${ticketed(ticket)}/admit`),
    refuse: (ticket) => post(`${ticketed(ticket)}/refuse`),
    admitAll: () => post('/lobby/admit-all'),
    chat: async () => {
      let messages: KeptMessage[] = [];
      for (let page = 0; page < CHAT_PAGES; page++) {
        const answer = await request<{ messages: KeptMessage[]; more: boolean }>(
          'GET',
          `${path}/chat`,
          {
            token: token(),
            query: { after: messages.at(-1)?.sequence ?? 0, limit: CHAT_PAGE },
          },
        );
        messages = [...messages, ...answer.messages].slice(-CHAT_KEPT);
        if (!answer.more) break;
      }
      return messages;
    },
    deleteMessage: (message) =>
      request('DELETE', `${path}/chat/${encodeURIComponent(message)}`, { token: token() }),
  };
}

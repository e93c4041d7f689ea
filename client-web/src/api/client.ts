/** Rooms, as anybody with a link meets them. What hosts may do beyond that is in `hosts.ts`. */
import { request } from './http';
import type {
  Explanation,
  JoinAnswer,
  JoinGrant,
  LobbyAnswer,
  NewRoom,
  RoomInfo,
  RoomStatus,
  ServerInfo,
} from './types';

/** What one shows at the door. */
export interface Visitor {
  name: string;
  identity?: string | undefined;
  /** That one had the identity before, in the session that still goes on. */
  return_key?: string | undefined;
  password?: string | undefined;
  /** Who made the room has it, and is its host. */
  host_key?: string | undefined;
  /** Agrees to be recorded, where the room asks. */
  consents_to_recording?: true | undefined;
}

export const api = {
  info: () => request<ServerInfo>('GET', '/api/info'),

  rooms: async (token?: string) =>
    (await request<{ rooms: RoomInfo[] }>('GET', '/api/rooms', { token })).rooms.map(withoutEcho),

  createRoom: async ({ name = '', password = '', ...rest }: NewRoom, token?: string) =>
    withoutEcho(
      await request<RoomInfo & { host_key?: string }>('POST', '/api/rooms', {
        body: {
          ...(name.trim() === '' ? {} : { name: name.trim() }),
          ...(password === '' ? {} : { password }),
          ...rest,
        },
        token,
      }),
    ),

  room: async (id: string) => withoutEcho(await request<RoomStatus>('GET', roomPath(id))),

  /** A pass, or a place in the lobby. The token is an account's: somebody signed in is known. */
  join: async (id: string, who: Visitor, token?: string): Promise<JoinAnswer> => {
    const answer = await request<WireGrant | { waiting: { ticket: string; position: number } }>(
      'POST',
      `${roomPath(id)}/join`,
      { body: who, token },
    );
    return 'waiting' in answer ? answer : withRoom(id, answer);
  },

  /** Where one stands in the lobby. Asking is also what keeps the place. */
  lobby: async (id: string, ticket: string): Promise<LobbyAnswer> => {
    const answer = await request<WireLobby>('GET', ticketPath(id, ticket));
    if (answer.state !== 'admitted') return answer;
    return { ...(await withRoom(id, answer)), state: 'admitted' };
  },

  withdraw: (id: string, ticket: string) =>
    request<unknown>('DELETE', ticketPath(id, ticket), { keepalive: true }),

  /** Why a participant sees what it sees. The token is that participant's own. */
  explain: (id: string, participant: string, token: string) =>
    request<Explanation>(
      'GET',
      `${roomPath(id)}/subscriptions/${encodeURIComponent(participant)}`,
      { token },
    ),
};

type WireGrant = Omit<JoinGrant, 'room'> & { room: RoomInfo | string };
type WireLobby = Exclude<LobbyAnswer, { state: 'admitted' }> | (WireGrant & { state: 'admitted' });

export function roomPath(id: string): string {
  return `/api/rooms/${encodeURIComponent(id)}`;
}

function ticketPath(id: string, ticket: string): string {
  return `${roomPath(id)}/lobby/${encodeURIComponent(ticket)}`;
}

/** A terse server names the room by its id alone: look up what people call it. */
async function withRoom(id: string, grant: WireGrant): Promise<JoinGrant> {
  const room = typeof grant.room === 'string' ? await api.room(id) : withoutEcho(grant.room);
  return { ...grant, room };
}

/** A room nobody named may carry its id as its name: to people that is no name. */
function withoutEcho<T extends RoomInfo>(room: T): T {
  return room.name === room.id ? { ...room, name: '' } : room;
}

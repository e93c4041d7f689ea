/**
 * The native API as six functions. Knows HTTP and nothing about pages or media.
 * Every failure is an `ApiError` (the server said no) or an `UnreachableError` (nobody answered).
 */
import { ApiError, UnreachableError } from './errors';
import type { Explanation, JoinGrant, RoomInfo, RoomStatus, ServerInfo } from './types';

/** A signal to give up waiting. Ten seconds: a person has long started to wonder by then. */
const TIMEOUT_MS = 10_000;

export const api = {
  info: () => request<ServerInfo>('GET', '/api/info'),

  rooms: async () =>
    (await request<{ rooms: RoomInfo[] }>('GET', '/api/rooms')).rooms.map(withoutEcho),

  createRoom: async (name: string) =>
    withoutEcho(
      await request<RoomInfo>(
        'POST',
        '/api/rooms',
        name.trim() === '' ? {} : { name: name.trim() },
      ),
    ),

  room: async (id: string) => withoutEcho(await request<RoomStatus>('GET', roomPath(id))),

  join: async (
    id: string,
    who: { name: string; identity?: string | undefined },
  ): Promise<JoinGrant> => {
    const grant = await request<WireGrant>('POST', `${roomPath(id)}/join`, who);
    // A terse server names the room by its id alone: look up what people call it.
    const room = typeof grant.room === 'string' ? await api.room(id) : withoutEcho(grant.room);
    return { ...grant, room };
  },

  /** Why a participant sees what it sees. The token is that participant's own. */
  explain: (id: string, participant: string, token: string) =>
    request<Explanation>(
      'GET',
      `${roomPath(id)}/subscriptions/${encodeURIComponent(participant)}`,
      undefined,
      { authorization: `Bearer ${token}` },
    ),
};

type WireGrant = Omit<JoinGrant, 'room'> & { room: RoomInfo | string };

function roomPath(id: string): string {
  return `/api/rooms/${encodeURIComponent(id)}`;
}

/** A room nobody named may carry its id as its name: to people that is no name. */
function withoutEcho<T extends RoomInfo>(room: T): T {
  return room.name === room.id ? { ...room, name: '' } : room;
}

async function request<T>(
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (cause) {
    throw new UnreachableError('The server did not answer.', { cause });
  }
  const json = await readJson(response);
  if (!response.ok) throw toApiError(response.status, json);
  // A captive portal or an SPA fallback answers 200 with a page: that is not our server talking.
  if (json === undefined) throw new UnreachableError('The answer was not JSON.');
  return json as T;
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    return undefined;
  }
}

function toApiError(status: number, json: unknown): ApiError | UnreachableError {
  const error = (
    json as { error?: { code?: string; message?: string; request_id?: string } } | undefined
  )?.error;
  // A proxy in front of a server that is down answers 502, 503 or 504 without our error body.
  if (error?.code === undefined && status >= 502 && status <= 504) {
    return new UnreachableError(`A gateway answered ${String(status)}.`);
  }
  return new ApiError(
    status,
    error?.code ?? `http_${String(status)}`,
    error?.message ?? 'The server refused without saying why.',
    error?.request_id,
  );
}

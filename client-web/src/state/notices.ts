/**
 * What a room tells its people: data packets from the server itself on the topic `sluice.room`. Also
 * the two attributes of a participant that only the server sets.
 */
import type { Entry, Source } from '../api/hosts';

export const NOTICE_TOPIC = 'sluice.room';
export const ROLE_ATTRIBUTE = 'sluice.role';
export const HAND_ATTRIBUTE = 'sluice.hand';

export type Notice =
  | { type: 'lobby'; waiting: number }
  | { type: 'unmute_request'; source: Source; by: string }
  | ({ type: 'entry' } & Entry)
  | { type: 'session'; state: string }
  | { type: 'chat_deleted'; id: string };

/** What the page knows of the room's control, apart from what its participants carry. */
export interface Control {
  entry: Entry | undefined;
  /** People in the lobby, as those who moderate are told; `undefined` for the others. */
  waiting: number | undefined;
  /** Grows with each such notice: one may come as another goes. */
  lobbyNews: number;
  session: string | undefined;
  /** A host asks; answered or put aside it is `undefined`. */
  request: { source: Source; by: string } | undefined;
  deleted: ReadonlySet<string>;
}

export const NO_CONTROL: Control = {
  entry: undefined,
  waiting: undefined,
  lobbyNews: 0,
  session: undefined,
  request: undefined,
  deleted: new Set(),
};

/** `undefined` for what this page does not understand: a newer server may say more. */
export function parseNotice(payload: Uint8Array): Notice | undefined {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(payload));
  } catch {
    return undefined;
  }
  if (typeof json !== 'object' || json === null) return undefined;
  const said = json as Record<string, unknown>;
  switch (said.type) {
    case 'lobby':
      return typeof said.waiting === 'number'
        ? { type: 'lobby', waiting: said.waiting }
        : undefined;
    case 'unmute_request':
      return isSource(said.source) && typeof said.by === 'string'
        ? { type: 'unmute_request', source: said.source, by: said.by }
        : undefined;
    case 'entry':
      return { type: 'entry', locked: said.locked === true, lobby: said.lobby === true };
    case 'session':
      return typeof said.state === 'string' ? { type: 'session', state: said.state } : undefined;
    case 'chat_deleted':
      return typeof said.id === 'string' ? { type: 'chat_deleted', id: said.id } : undefined;
    default:
      return undefined;
  }
}

export function reduceControl(control: Control, notice: Notice): Control {
  switch (notice.type) {
    case 'lobby':
      return { ...control, waiting: notice.waiting, lobbyNews: control.lobbyNews + 1 };
    case 'unmute_request':
      // Nothing changes under a finger: the next one is heard when this one is settled.
      if (control.request) return control;
      return { ...control, request: { source: notice.source, by: notice.by } };
    case 'entry':
      return { ...control, entry: { locked: notice.locked, lobby: notice.lobby } };
    case 'session':
      return { ...control, session: notice.state };
    case 'chat_deleted':
      return { ...control, deleted: new Set([...control.deleted, notice.id]) };
  }
}

function isSource(value: unknown): value is Source {
  return value === 'microphone' || value === 'camera' || value === 'screen_share';
}

/** What people are called by what they may; a role of the operator's is its own name. */
export function roleName(role: string): string {
  return role === 'host' ? 'Host' : role === 'admin' ? 'Admin' : role;
}

/** Empty for somebody who came with a token of a back end that names no role. */
export function roleOf(attributes: Readonly<Record<string, string>>): string {
  return attributes[ROLE_ATTRIBUTE] ?? '';
}

/** What is said to somebody whose role changed; other roles have no name for what they may. */
export function roleNews(before: string, now: string): string | undefined {
  if (before === now) return undefined;
  if (now === 'host') return 'You are a host now';
  return before === 'host' ? 'You are not a host any more' : undefined;
}

/** May steer the room. Only the server knows what other roles may; it tells those about its lobby. */
export function moderates(role: string, control: Control): boolean {
  if (role === 'host' || role === 'admin') return true;
  return role !== 'participant' && control.waiting !== undefined;
}

/** When the hand went up, in Unix milliseconds; `undefined` while it is down. */
export function handOf(attributes: Readonly<Record<string, string>>): number | undefined {
  const since = Number(attributes[HAND_ATTRIBUTE] ?? '');
  return Number.isFinite(since) && since > 0 ? since : undefined;
}

/** Whose turn it is: 1 for the hand that went up first. */
export function handOrder(
  people: readonly { identity: string; hand: number | undefined }[],
): ReadonlyMap<string, number> {
  const raised = people
    .flatMap(({ identity, hand }) => (hand === undefined ? [] : [{ identity, hand }]))
    .sort((one, other) => one.hand - other.hand || one.identity.localeCompare(other.identity));
  return new Map(raised.map(({ identity }, index) => [identity, index + 1]));
}

/** Links and ids people paste, and the link we hand out. Pure text in, value out. */

export type JoinInput =
  | { ok: true; id: string; key: string | undefined }
  | { ok: false; reason: 'empty' | 'not_a_room' | 'other_server' };

const ROOM_ID = /^[a-z0-9]{8}$/;
/** Rooms made through the LiveKit server API may have other names; the server judges those. */
const ROOM_PATH = /^\/r\/([A-Za-z0-9_-]{1,128})\/?$/;

export function parseJoinInput(text: string, origin: string): JoinInput {
  const trimmed = text.trim();
  if (trimmed === '') return { ok: false, reason: 'empty' };
  // People read ids out in two groups, and phones capitalise the first letter.
  const bare = trimmed.replace(/[\s-]/g, '').toLowerCase();
  if (ROOM_ID.test(bare)) return { ok: true, id: bare, key: undefined };

  const url = parseUrl(trimmed, origin);
  const id = url && roomIdFromPath(url.pathname);
  if (!url || id === undefined) return { ok: false, reason: 'not_a_room' };
  if (url.host !== new URL(origin).host) return { ok: false, reason: 'other_server' };
  return { ok: true, id, key: keyFromHash(url.hash) };
}

export function roomIdFromPath(pathname: string): string | undefined {
  return ROOM_PATH.exec(pathname)?.[1];
}

/** `#e2ee=<key>` or `#key=<key>`. The fragment never reaches the server: that is the point of it. */
export function keyFromHash(hash: string): string | undefined {
  const parameters = new URLSearchParams(hash.replace(/^#/, ''));
  const key = parameters.get('e2ee') ?? parameters.get('key');
  return key === null || key === '' ? undefined : key;
}

export function roomPath(id: string, key?: string): string {
  return `/r/${id}${key === undefined ? '' : `#e2ee=${encodeURIComponent(key)}`}`;
}

/** What "copy link" copies: the room and its key, never the options of this tab (`?name=`, `&join=1`). */
export function inviteLink(origin: string, id: string, key?: string): string {
  return origin + roomPath(id, key);
}

/** 256 random bits in an alphabet that survives being pasted anywhere. */
export function generateKey(random: (bytes: Uint8Array<ArrayBuffer>) => void = fillRandom): string {
  const bytes = new Uint8Array(32);
  random(bytes);
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

function fillRandom(bytes: Uint8Array<ArrayBuffer>): void {
  crypto.getRandomValues(bytes);
}

function parseUrl(text: string, origin: string): URL | undefined {
  const candidates = /^[a-z]+:\/\//i.test(text)
    ? [text]
    : text.startsWith('/')
      ? [origin + text]
      : // "calls.example.org/r/k3m9x2qa": a link that lost its scheme on the way.
        [`${new URL(origin).protocol}//${text}`];
  try {
    return new URL(candidates[0] ?? '');
  } catch {
    return undefined;
  }
}

/**
 * Everything that can go wrong, as a value the views can show: what happened and what to do next.
 * Imports nothing from livekit, so that the home page does not load it (see media/livekitFailure.ts).
 */
import { ApiError, UnreachableError } from '../api/errors';

export type FailureKind =
  | 'permission_denied'
  | 'no_device'
  | 'device_in_use'
  | 'insecure_page'
  | 'unsupported_browser'
  | 'room_not_found'
  | 'room_full'
  | 'room_ended'
  | 'bad_name'
  | 'bad_link'
  | 'password_required'
  | 'wrong_password'
  | 'consent_required'
  | 'room_locked'
  | 'banned'
  | 'sign_in_required'
  | 'lobby_refused'
  | 'lobby_gone'
  | 'rate_limited'
  | 'server_unreachable'
  | 'connection_lost'
  | 'media_blocked'
  | 'publish_refused'
  | 'token_rejected'
  | 'signed_out'
  | 'not_permitted'
  | 'removed'
  | 'duplicate_identity'
  | 'encryption_failed'
  | 'unknown';

/** What the one helpful button does: join again, ask the server again, sign in, or nothing (only home). */
export type Retry = 'join' | 'check' | 'device' | 'sign_in' | 'none';

export interface Failure {
  kind: FailureKind;
  title: string;
  advice: string;
  retry: Retry;
}

const TABLE: Record<FailureKind, Omit<Failure, 'kind'>> = {
  permission_denied: {
    title: 'Your browser is not letting Sluice use it',
    advice:
      'Allow camera and microphone for this site (the icon beside the address), then try again. You can still join to watch and listen.',
    retry: 'device',
  },
  no_device: {
    title: 'None was found',
    advice: 'Plug one in and try again. You can still join without it.',
    retry: 'device',
  },
  device_in_use: {
    title: 'It is busy in another app',
    advice: 'Close the other app or browser tab that is using it, then try again.',
    retry: 'device',
  },
  insecure_page: {
    title: 'This page may not use camera or microphone',
    advice:
      'Browsers allow them only over https (or on localhost). Open the secure address of this server. You can still join to watch and listen.',
    retry: 'none',
  },
  unsupported_browser: {
    title: 'This browser cannot join this call',
    advice: 'Use a current Chrome, Edge, Firefox or Safari.',
    retry: 'none',
  },
  room_not_found: {
    title: 'There is no such room',
    advice:
      'It may have ended, or the link lost a letter. Ask for a fresh link, or start a new room.',
    retry: 'check',
  },
  room_full: {
    title: 'This room is full',
    advice: 'Someone has to leave before you can come in. Try again in a moment.',
    retry: 'check',
  },
  room_ended: {
    title: 'This call has ended',
    advice: 'The room was closed for everybody. Start a new one whenever you like.',
    retry: 'none',
  },
  bad_name: {
    title: 'That name does not work',
    advice: 'Choose another name: one to sixty-four characters.',
    retry: 'check',
  },
  bad_link: {
    title: 'There is nothing at this address',
    advice: 'Check the link, or start from the home page.',
    retry: 'none',
  },
  password_required: {
    title: 'This room has a password',
    advice: 'Type the password you were given.',
    retry: 'check',
  },
  wrong_password: {
    title: 'That is not the password',
    advice: 'That is not the password of this room. Check it and try again.',
    retry: 'check',
  },
  consent_required: {
    title: 'This room asks whether you agree to be recorded',
    advice: 'Say whether you agree before you join.',
    retry: 'check',
  },
  room_locked: {
    title: 'This room is locked',
    advice: 'The host lets nobody new in at the moment. Ask them to unlock it, then try again.',
    retry: 'join',
  },
  banned: {
    title: 'A host keeps you out of this room',
    advice: 'If you think it was a mistake, ask them to let you back in.',
    retry: 'none',
  },
  sign_in_required: {
    title: 'This room is for people with an account',
    advice: 'Sign in, and you are brought back here.',
    retry: 'sign_in',
  },
  lobby_refused: {
    title: 'You were not let in',
    advice: 'A host declined. If you think it was a mistake, ask them, then knock again.',
    retry: 'join',
  },
  lobby_gone: {
    title: 'You are not in line any more',
    advice: 'The connection was away for too long, or the room ended. Knock again.',
    retry: 'join',
  },
  rate_limited: {
    title: 'Too many attempts',
    advice: 'Wait a minute, then try again.',
    retry: 'check',
  },
  server_unreachable: {
    title: 'The server is not answering',
    advice:
      'Check your connection. If others cannot reach it either, it may be restarting: try again shortly.',
    retry: 'check',
  },
  connection_lost: {
    title: 'The connection was lost',
    advice: 'We tried to get it back and could not. Check your network, then rejoin.',
    retry: 'join',
  },
  media_blocked: {
    title: 'Audio and video cannot get through',
    advice:
      'Your network seems to block calls. Try another network, or turn off a VPN or firewall, then rejoin.',
    retry: 'join',
  },
  publish_refused: {
    title: 'You may only watch and listen here',
    advice: 'Ask a host for permission to speak or share.',
    retry: 'none',
  },
  token_rejected: {
    title: 'Your pass is no longer valid',
    advice: 'Passes are short-lived. Rejoin the room or sign in again to get a new one.',
    retry: 'join',
  },
  signed_out: {
    title: 'You are not signed in',
    advice: 'Sign in, then try again.',
    retry: 'sign_in',
  },
  not_permitted: {
    title: 'You may not do that here',
    advice: 'It takes a host of the room, or an administrator of this server.',
    retry: 'none',
  },
  removed: {
    title: 'You were removed from the room',
    advice: 'A host removed you. If you think it was a mistake, ask them to let you back in.',
    retry: 'none',
  },
  duplicate_identity: {
    title: 'You joined from somewhere else',
    advice: 'This call continues in your other tab or device. Rejoin to bring it back here.',
    retry: 'join',
  },
  encryption_failed: {
    title: 'End-to-end encryption could not start',
    advice:
      'Check that you opened the whole link, with everything after the # sign, in a current browser.',
    retry: 'join',
  },
  unknown: {
    title: 'Something went wrong',
    advice: 'Try again. If it keeps happening, tell whoever runs this server.',
    retry: 'join',
  },
};

export function failure(kind: FailureKind, override: Partial<Omit<Failure, 'kind'>> = {}): Failure {
  return { kind, ...TABLE[kind], ...override };
}

const API_CODES: Record<string, FailureKind> = {
  room_not_found: 'room_not_found',
  room_full: 'room_full',
  bad_name: 'bad_name',
  password_required: 'password_required',
  wrong_password: 'wrong_password',
  consent_required: 'consent_required',
  room_locked: 'room_locked',
  banned: 'banned',
  sign_in_required: 'sign_in_required',
  guests_not_allowed: 'sign_in_required',
  rate_limited: 'rate_limited',
  no_token: 'signed_out',
  bad_token: 'token_rejected',
  not_permitted: 'not_permitted',
};

/** What the native API's refusals mean. `undefined`: not an API error, somebody else must judge it. */
export function failureFromApi(error: unknown): Failure | undefined {
  if (error instanceof UnreachableError) return failure('server_unreachable');
  if (!(error instanceof ApiError)) return undefined;
  const kind = API_CODES[error.code];
  if (kind === 'bad_name') return failure('bad_name', { advice: sentence(error.message) });
  if (kind !== undefined) return failure(kind);
  // The server knows better than we do what it refused: pass its sentence on.
  const reference = error.requestId === undefined ? '' : ` (reference ${error.requestId})`;
  return failure('unknown', { advice: `${sentence(error.message)}${reference}`, retry: 'check' });
}

/** Any error of the API as one line, for where a page has room for no more. */
export function inWords(error: unknown): string {
  // Refusals of a form are about what was typed: the server's own sentence says what.
  if (error instanceof ApiError && isAboutTheWish(error)) {
    return sentence(error.message);
  }
  const { title, advice } = failureFromApi(error) ?? failure('unknown');
  return `${title}. ${advice}`;
}

/** What was asked for cannot be had, or not here: nothing is wrong with the server. */
function isAboutTheWish({ status, code }: ApiError): boolean {
  return (status < 500 || status === 501) && API_CODES[code] === undefined;
}

/** The server says things to be put into a line of a log; on a page they begin with a capital. */
function sentence(message: string): string {
  return message.charAt(0).toUpperCase() + message.slice(1);
}

import {
  ConnectionError,
  DeviceUnsupportedError,
  DisconnectReason,
  PublishTrackError,
} from 'livekit-client';
import { describe, expect, it, vi } from 'vitest';
import { ApiError } from '../api/errors';
import { failureFromDevice, failureFromDisconnect, failureFromError } from './livekitFailure';

describe('why a call ended', () => {
  it('is nobody’s failure when I left', () => {
    expect(failureFromDisconnect(DisconnectReason.CLIENT_INITIATED)).toBeUndefined();
  });

  it.each([
    [DisconnectReason.DUPLICATE_IDENTITY, 'duplicate_identity', 'join'],
    [DisconnectReason.PARTICIPANT_REMOVED, 'removed', 'none'],
    [DisconnectReason.ROOM_DELETED, 'room_ended', 'none'],
    [DisconnectReason.ROOM_CLOSED, 'room_ended', 'none'],
    [DisconnectReason.SERVER_SHUTDOWN, 'server_unreachable', 'join'],
    [DisconnectReason.MEDIA_FAILURE, 'media_blocked', 'join'],
    [DisconnectReason.STATE_MISMATCH, 'connection_lost', 'join'],
    [DisconnectReason.UNKNOWN_REASON, 'connection_lost', 'join'],
    [undefined, 'connection_lost', 'join'],
  ])('reason %s is %s', (reason, kind, retry) => {
    expect(failureFromDisconnect(reason)).toMatchObject({ kind, retry });
  });
});

describe('why a call did not start', () => {
  it.each([
    ['a refused token', ConnectionError.notAllowed('invalid token', 401), 'token_rejected'],
    ['a forbidden room', ConnectionError.notAllowed('no permission', 403), 'token_rejected'],
    [
      'a room gone meanwhile',
      ConnectionError.notAllowed('room does not exist', 404),
      'room_not_found',
    ],
    ['no answer', ConnectionError.serverUnreachable('x'), 'server_unreachable'],
    ['a broken socket', ConnectionError.websocket('x'), 'server_unreachable'],
    ['a timeout', ConnectionError.timeout('x'), 'server_unreachable'],
    [
      'no media path',
      ConnectionError.internal('could not establish pc connection'),
      'media_blocked',
    ],
    [
      'removed while joining',
      ConnectionError.leaveRequest('x', DisconnectReason.PARTICIPANT_REMOVED),
      'removed',
    ],
    ['an old browser', new DeviceUnsupportedError('x'), 'unsupported_browser'],
    ['a full room', new ApiError(409, 'room_full', 'x'), 'room_full'],
    ['something unheard of', new Error('x'), 'unknown'],
    ['something that is not even an error', 'x', 'unknown'],
  ])('%s', (_, error, kind) => {
    expect(failureFromError(error).kind).toBe(kind);
  });
});

describe('why a device did not open', () => {
  it.each([
    ['NotAllowedError', 'permission_denied', 'Camera access is blocked'],
    ['NotFoundError', 'no_device', 'No camera found'],
    ['NotReadableError', 'device_in_use', 'Camera is busy in another app'],
  ])('%s', (name, kind, title) => {
    const failure = failureFromDevice(new DOMException('x', name), 'Camera');
    expect(failure).toMatchObject({ kind, title, retry: 'device' });
  });

  it('the device is fine, the room does not let me publish', () => {
    expect(failureFromDevice(new PublishTrackError('x', 403), 'Camera').kind).toBe(
      'publish_refused',
    );
  });

  it('plain http pages have no devices at all, and retrying will not help', () => {
    vi.stubGlobal('navigator', {});
    const error = new TypeError("Cannot read properties of undefined (reading 'getUserMedia')");
    expect(failureFromDevice(error, 'Camera')).toMatchObject({
      kind: 'insecure_page',
      retry: 'none',
    });
  });
});

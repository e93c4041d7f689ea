/** The one place that reads livekit's errors and disconnect reasons. Pure, so every row is a unit test. */
import {
  ConnectionError,
  ConnectionErrorReason,
  DeviceUnsupportedError,
  DisconnectReason,
  MediaDeviceFailure,
  PublishTrackError,
} from 'livekit-client';
import { failure, failureFromApi, type Failure } from '../state/failure';

/** Any caught error while joining or in the call. */
export function failureFromError(error: unknown): Failure {
  const fromApi = failureFromApi(error);
  if (fromApi) return fromApi;
  if (error instanceof ConnectionError) return fromConnection(error as ConnectionError);
  if (error instanceof DeviceUnsupportedError) return failure('unsupported_browser');
  return failureFromDevice(error);
}

/** Why the room went away; `undefined` when it was us who left. */
export function failureFromDisconnect(reason: DisconnectReason | undefined): Failure | undefined {
  switch (reason) {
    case DisconnectReason.CLIENT_INITIATED:
      return undefined;
    case DisconnectReason.DUPLICATE_IDENTITY:
      return failure('duplicate_identity');
    case DisconnectReason.PARTICIPANT_REMOVED:
      return failure('removed');
    case DisconnectReason.ROOM_DELETED:
    case DisconnectReason.ROOM_CLOSED:
      return failure('room_ended');
    case DisconnectReason.SERVER_SHUTDOWN:
      return failure('server_unreachable', {
        title: 'The server is restarting',
        advice: 'It said goodbye properly and should be back soon. Rejoin in a moment.',
        retry: 'join',
      });
    case DisconnectReason.MEDIA_FAILURE:
      return failure('media_blocked');
    case DisconnectReason.USER_REJECTED:
    case DisconnectReason.USER_UNAVAILABLE:
      return failure('room_ended');
    default:
      return failure('connection_lost');
  }
}

/** What getUserMedia said, about the camera, the microphone, or both. */
export function failureFromDevice(error: unknown, device = 'Camera and microphone'): Failure {
  if (error instanceof TypeError && !hasMediaDevices()) return failure('insecure_page');
  if (error instanceof PublishTrackError) return failure('publish_refused');
  // livekit looks inside without asking first whether it is an object.
  const cause = typeof error === 'object' && error !== null ? error : {};
  switch (MediaDeviceFailure.getFailure(cause)) {
    case MediaDeviceFailure.PermissionDenied:
      return failure('permission_denied', {
        title: `${device} access is blocked`,
        advice: `Allow it for this site (the icon beside the address), then try again. You can still join to watch and listen.`,
      });
    case MediaDeviceFailure.NotFound:
      return failure('no_device', { title: `No ${lowerFirst(device)} found` });
    case MediaDeviceFailure.DeviceInUse:
      return failure('device_in_use', { title: `${device} is busy in another app` });
    default:
      return failure('unknown');
  }
}

function fromConnection(error: ConnectionError): Failure {
  switch (error.reason) {
    case ConnectionErrorReason.NotAllowed:
      // livekit reports a 404 "requested room does not exist" as NotAllowed, too.
      return error.status === 404 ? failure('room_not_found') : failure('token_rejected');
    case ConnectionErrorReason.LeaveRequest:
      return (
        failureFromDisconnect(error.context as DisconnectReason | undefined) ??
        failure('connection_lost')
      );
    case ConnectionErrorReason.ServerUnreachable:
    case ConnectionErrorReason.WebSocket:
    case ConnectionErrorReason.Timeout:
    case ConnectionErrorReason.ServiceNotFound:
      return failure('server_unreachable', { retry: 'join' });
    case ConnectionErrorReason.InternalError:
      // The signal connection stands but no media path could be made.
      return /pc connection/i.test(error.message) ? failure('media_blocked') : failure('unknown');
    default:
      return failure('unknown');
  }
}

function hasMediaDevices(): boolean {
  return typeof navigator !== 'undefined' && 'mediaDevices' in navigator;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

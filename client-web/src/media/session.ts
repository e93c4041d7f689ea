/** One connection to one room: livekit's Room, encrypted if the link carries a key. */
import {
  ConnectionState,
  ExternalE2EEKeyProvider,
  Room,
  RoomEvent,
  Track,
  isE2EESupported,
  type RoomOptions,
} from 'livekit-client';
import type { JoinGrant } from '../api/types';
import { failure, type Failure } from '../state/failure';
import { failureFromDisconnect, failureFromError } from './livekitFailure';
import type { PreviewMedia } from './browserMedia';
import { RoomControl } from './roomControl';

export interface CallSession {
  room: Room;
  joinedAt: number;
  encrypted: boolean;
  /** The token that is valid now, for questions to the API. */
  token: () => string;
  /** What the room says of itself: who waits, whether it is locked, what a host asks. */
  control: RoomControl;
  /** Devices that were wanted and did not open: the call goes on, the person is told. */
  problems: Promise<Failure[]>;
}

/** Refused before anything was sent: a call that should be encrypted must never go out in clear. */
export class EncryptionUnavailable extends Error {
  override readonly name = 'EncryptionUnavailable';
}

export async function connectSession(
  grant: Pick<JoinGrant, 'token' | 'url'>,
  options: RoomOptions,
  key: string | undefined,
  media: PreviewMedia,
  onDisconnected: (failure: Failure | undefined) => void,
): Promise<CallSession> {
  const { room, close } = await createRoom(options, key);
  const control = new RoomControl(room);
  try {
    await room.connect(grant.url, grant.token);
  } catch (error) {
    await room.disconnect();
    close();
    throw error;
  }
  let { token } = grant;
  // Tokens live for minutes; the server sends a fresh one well before the end.
  room.engine.on('tokenRefreshed', (fresh) => {
    token = fresh;
  });
  room.once(RoomEvent.Disconnected, (reason) => {
    close();
    onDisconnected(failureFromDisconnect(reason));
  });
  return {
    room,
    joinedAt: Date.now(),
    encrypted: key !== undefined,
    token: () => token,
    control,
    problems: publish(room, media),
  };
}

/** `close` lets go of what the room itself does not own: the encryption worker. */
async function createRoom(
  options: RoomOptions,
  key: string | undefined,
): Promise<{ room: Room; close: () => void }> {
  if (key === undefined) return { room: new Room(options), close: () => undefined };
  if (!isE2EESupported()) throw new EncryptionUnavailable('No encoded transforms in this browser.');
  const keyProvider = new ExternalE2EEKeyProvider();
  // Loaded only for encrypted rooms: nobody else pays for it.
  const { default: E2EEWorker } = await import('livekit-client/e2ee-worker?worker');
  const worker = new E2EEWorker();
  const room = new Room({ ...options, encryption: { keyProvider, worker } });
  await keyProvider.setKey(key);
  await room.setE2EEEnabled(true);
  return {
    room,
    close: () => {
      worker.terminate();
    },
  };
}

/** Publishes what the person wanted on; waits for devices that are still opening. */
async function publish(room: Room, media: PreviewMedia): Promise<Failure[]> {
  await media.start();
  await settled(media);
  const state = media.get();
  const problems = [state.camera, state.microphone].flatMap((device) =>
    device.status === 'failed' ? [device.failure] : [],
  );
  const tracks = media.release();
  const publications = await Promise.allSettled([
    tracks.microphone &&
      room.localParticipant.publishTrack(tracks.microphone, { source: Track.Source.Microphone }),
    tracks.camera &&
      room.localParticipant.publishTrack(tracks.camera, { source: Track.Source.Camera }),
  ]);
  const [microphone, camera] = publications;
  if (microphone.status === 'rejected') tracks.microphone?.stop();
  if (camera.status === 'rejected') tracks.camera?.stop();
  return [...problems, ...publications.flatMap((one) => rejectedWhileConnected(one, room))];
}

/** A publish that failed because the call ended meanwhile is not news. */
function rejectedWhileConnected(one: PromiseSettledResult<unknown>, room: Room): Failure[] {
  if (one.status === 'fulfilled' || room.state === ConnectionState.Disconnected) return [];
  const cause = failureFromError(one.reason);
  return [
    cause.kind === 'unknown' ? failure('unknown', { title: 'Could not send your media' }) : cause,
  ];
}

/** Resolves when no device is starting any more. */
function settled(media: PreviewMedia): Promise<void> {
  const isSettled = () => {
    const { camera, microphone } = media.get();
    return camera.status !== 'starting' && microphone.status !== 'starting';
  };
  if (isSettled()) return Promise.resolve();
  return new Promise((resolve) => {
    const unsubscribe = media.subscribe(() => {
      if (!isSettled()) return;
      unsubscribe();
      resolve();
    });
  });
}

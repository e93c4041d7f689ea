/** Wires a CallController to the real API, the real devices and livekit. */
import { api } from '../api/client';
import { failure } from '../state/failure';
import { TabIdentity } from '../state/identity';
import type { JoinOptions } from '../state/joinOptions';
import { preferences, safeStorage } from '../state/preferences';
import { createPreviewMedia, type PreviewMedia } from './browserMedia';
import { CallController } from './callController';
import { failureFromError } from './livekitFailure';
import { rememberIntent } from './rememberIntent';
import { roomOptions } from './roomOptions';
import { connectSession, EncryptionUnavailable, type CallSession } from './session';

/** One per tab: it holds the tab's claims on its identities. */
const tabIdentity = new TabIdentity(safeStorage('sessionStorage'), navigator.locks);

export interface CallHandle {
  controller: CallController<CallSession>;
  media: PreviewMedia;
}

export function createCall(
  roomId: string,
  key: string | undefined,
  options: JoinOptions,
): CallHandle {
  const media = createPreviewMedia(preferences, {
    camera: options.video,
    microphone: options.audio,
  });
  const controller = new CallController<CallSession>(
    {
      room: () => api.room(roomId),
      async enter(name) {
        const identity = await tabIdentity.recall(roomId);
        const grant = await api.join(roomId, {
          name,
          ...(identity === undefined ? {} : { identity }),
        });
        // Not awaited: claiming a lock may take a moment and nothing depends on it.
        void tabIdentity.remember(roomId, grant.identity);
        return grant;
      },
      async connect(grant, onDisconnected) {
        const session = await connectSession(
          grant,
          roomOptions(options, preferences.get()),
          key,
          media,
          onDisconnected,
        );
        rememberIntent(session.room, media.intent);
        // A stable hook for debugging and end-to-end tests (see README.md).
        window.sluice = { room: session.room };
        return session;
      },
      disconnect(session) {
        void session.room.disconnect();
      },
      startMedia: () => void media.start(),
      stopMedia: () => {
        media.stop();
      },
      explain: (error) =>
        error instanceof EncryptionUnavailable
          ? failure('encryption_failed')
          : failureFromError(error),
    },
    options.joinNow ? (options.name ?? (preferences.get().name || 'Guest')) : undefined,
  );
  return { controller, media };
}

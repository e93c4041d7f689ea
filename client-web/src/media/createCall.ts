/** Wires a CallController to the real API, the real devices and livekit. */
import { account } from '../account/account';
import { api } from '../api/client';
import type { JoinGrant } from '../api/types';
import { failure } from '../state/failure';
import { HostKeys } from '../state/hostKeys';
import { TabIdentity } from '../state/identity';
import type { JoinOptions } from '../state/joinOptions';
import { preferences, safeStorage } from '../state/preferences';
import { createPreviewMedia, type PreviewMedia } from './browserMedia';
import { CallController } from './callController';
import { failureFromError } from './livekitFailure';
import { pause, standing } from './lobby';
import { rememberIntent } from './rememberIntent';
import { roomOptions } from './roomOptions';
import { connectSession, EncryptionUnavailable, type CallSession } from './session';
import { visit } from './visit';

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
  // Not awaited: claiming a lock may take a moment and nothing depends on it.
  const remember = ({ identity, return_key: returnKey }: JoinGrant) =>
    void tabIdentity.remember(roomId, { identity, returnKey });
  const controller = new CallController<CallSession>(
    {
      room: () => api.room(roomId),
      async enter(name, { password, consents }) {
        const self = await tabIdentity.recall(roomId);
        const hostKey = new HostKeys(safeStorage('localStorage')).recall(roomId);
        const visitor = {
          name,
          identity: self?.identity,
          return_key: self?.returnKey,
          password,
          host_key: hostKey,
          consents_to_recording: consents === true ? (true as const) : undefined,
        };
        const answer = await account.ask((token) =>
          visit((who) => api.join(roomId, who, token), visitor),
        );
        if (!('waiting' in answer)) remember(answer);
        return answer;
      },
      async standing(ticket) {
        const now = await standing(api.lobby(roomId, ticket));
        if (now?.state === 'admitted') remember(now);
        return now;
      },
      withdraw(ticket) {
        api.withdraw(roomId, ticket).catch(() => undefined);
      },
      pause,
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

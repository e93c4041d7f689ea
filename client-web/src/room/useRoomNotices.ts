import { useRoomContext } from '@livekit/components-react';
import { RoomEvent, type RemoteParticipant } from 'livekit-client';
import { useEffect } from 'react';
import { displayName } from '../state/people';
import type { CallSession } from '../media/session';
import type { ToastControl } from './useToasts';

/** What the room does that people should hear about: comings and goings, devices, decryption. */
export function useRoomNotices(
  session: CallSession,
  notify: ToastControl['notify'],
  presence: ToastControl['presence'],
): void {
  const room = useRoomContext();
  useEffect(() => {
    const nameOf = (one: RemoteParticipant) => displayName(one.name, one.identity);
    const onJoin = (one: RemoteParticipant) => {
      presence('joined', nameOf(one));
    };
    const onLeave = (one: RemoteParticipant) => {
      presence('left', nameOf(one));
    };
    const onEncryption = () => {
      notify(
        'Some media cannot be decrypted. Make sure that everybody opened the same complete link.',
        'problem',
      );
    };
    room
      .on(RoomEvent.ParticipantConnected, onJoin)
      .on(RoomEvent.ParticipantDisconnected, onLeave)
      .on(RoomEvent.EncryptionError, onEncryption);
    return () => {
      room
        .off(RoomEvent.ParticipantConnected, onJoin)
        .off(RoomEvent.ParticipantDisconnected, onLeave)
        .off(RoomEvent.EncryptionError, onEncryption);
    };
  }, [room, notify, presence]);

  useEffect(() => {
    let current = true;
    void session.problems.then((problems) => {
      if (!current) return;
      for (const problem of problems) notify(`${problem.title}. ${problem.advice}`, 'problem');
    });
    return () => {
      current = false;
    };
  }, [session, notify]);
}

import { useRoomContext } from '@livekit/components-react';
import { RoomEvent, type Participant, type RemoteParticipant } from 'livekit-client';
import { useEffect, useRef } from 'react';
import { HAND_ATTRIBUTE, ROLE_ATTRIBUTE, roleNews, roleOf } from '../state/notices';
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
    let role = roleOf(room.localParticipant.attributes);
    const onAttributes = (changed: Record<string, string>, one: Participant) => {
      const hand = changed[HAND_ATTRIBUTE] ?? '';
      if (hand !== '' && !one.isLocal) {
        notify(`${displayName(one.name, one.identity)} raised a hand`);
      }
      if (changed[ROLE_ATTRIBUTE] === undefined || !one.isLocal) return;
      const news = roleNews(role, changed[ROLE_ATTRIBUTE]);
      role = changed[ROLE_ATTRIBUTE];
      if (news !== undefined) notify(news);
    };
    room
      .on(RoomEvent.ParticipantAttributesChanged, onAttributes)
      .on(RoomEvent.ParticipantConnected, onJoin)
      .on(RoomEvent.ParticipantDisconnected, onLeave)
      .on(RoomEvent.EncryptionError, onEncryption);
    return () => {
      room
        .off(RoomEvent.ParticipantAttributesChanged, onAttributes)
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

/** For hosts: somebody came to the door. Not while one looks at it, and not when somebody was let in. */
export function useLobbyNotices(
  waiting: number,
  looking: boolean,
  notify: ToastControl['notify'],
): void {
  const before = useRef(0);
  useEffect(() => {
    if (waiting > before.current && !looking) {
      notify(
        waiting === 1
          ? 'Somebody is waiting to come in'
          : `${String(waiting)} people are waiting to come in`,
      );
    }
    before.current = waiting;
  }, [waiting, looking, notify]);
}

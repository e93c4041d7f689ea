import { useRoomContext } from '@livekit/components-react';
import type { RoomControl } from '../media/roomControl';
import type { HostAction } from '../state/hosting';
import type { Control } from '../state/notices';
import { displayName } from '../state/people';
import { HostDialog } from './HostDialog';
import type { PersonModel } from './PeoplePanel';
import { RemoveDialog } from './RemoveDialog';
import { UnmuteRequest } from './UnmuteRequest';
import type { Controls } from './useControls';
import type { Desk } from './useDesk';

/** What a host is about to decide. */
export type HostQuestion =
  { type: 'none' } | { type: 'room' } | { type: 'remove'; person: PersonModel };

interface HostDialogsProps {
  question: HostQuestion;
  control: Control;
  roomControl: RoomControl;
  desk: Desk;
  controls: Controls;
  recording: boolean;
  encrypted: boolean;
  onClose: () => void;
}

/** The dialogs of being steered and of steering. One at a time; a request to unmute comes first. */
export function HostDialogs(props: HostDialogsProps) {
  const { question, control, roomControl, desk, controls, recording, encrypted, onClose } = props;
  const room = useRoomContext();
  if (control.request) {
    const { source, by } = control.request;
    const asker = room.remoteParticipants.get(by);
    return (
      <UnmuteRequest
        by={asker ? displayName(asker.name, by) : 'A host'}
        source={source}
        onAccept={() => {
          roomControl.settleRequest();
          if (source === 'microphone' && !controls.micOn) controls.toggleMic();
          if (source === 'camera' && !controls.cameraOn) controls.toggleCamera();
          if (source === 'screen_share' && !controls.sharing) controls.toggleShare();
        }}
        onDecline={roomControl.settleRequest}
      />
    );
  }
  switch (question.type) {
    case 'none':
      return null;
    case 'room':
      return (
        <HostDialog
          entry={control.entry ?? { locked: false, lobby: false }}
          onEntry={(change) => {
            desk.act(desk.setEntry(change));
          }}
          recording={recording}
          recordable={!encrypted}
          onRecord={() => desk.record()}
          onStopRecording={() => desk.stopRecording()}
          onMuteAll={() => {
            desk.act(desk.muteAll(), 'Everybody but the hosts is muted');
          }}
          onEnd={() => {
            desk.act(desk.end());
            onClose();
          }}
          onClose={onClose}
        />
      );
    case 'remove':
      return (
        <RemoveDialog
          name={question.person.name}
          locked={control.entry?.locked === true}
          onRemove={({ keepOut, lock }) => {
            // First the door: they may be back within a second.
            if (lock) desk.act(desk.setEntry({ locked: true }));
            desk.act(desk.remove(question.person.identity, keepOut));
            onClose();
          }}
          onClose={onClose}
        />
      );
  }
}

/** Does what a host chose from the menu of a person; removing is asked again first. */
export function carryOut(
  desk: Desk,
  { identity, name }: PersonModel,
  action: Exclude<HostAction, { type: 'remove' }>,
): void {
  switch (action.type) {
    case 'mute':
      return desk.act(desk.mute(identity, action.source));
    case 'ask':
      return desk.act(desk.askToUnmute(identity, action.source), `${name} was asked`);
    case 'lower_hand':
      return desk.act(desk.raiseHand(identity, false));
    case 'role':
      return desk.act(
        desk.setRole(identity, action.role),
        action.role === 'host' ? `${name} is a host now` : `${name} is not a host any more`,
      );
  }
}

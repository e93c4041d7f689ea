import type { HostAction } from '../state/hosting';
import { LobbySection } from './LobbySection';
import { PeoplePanel, type PersonModel } from './PeoplePanel';
import type { Desk } from './useDesk';
import { usePeople } from './usePeople';
import { useWaiting } from './useWaiting';

interface CurrentPeopleProps {
  desk: Desk;
  moderates: boolean;
  waiting: number;
  lobbyNews: number;
  onAction: (person: PersonModel, action: HostAction) => void;
  onCopy: () => void;
  onClose: () => void;
}

/** The people panel, fed by livekit and the lobby only while it is open. */
export function CurrentPeople(props: CurrentPeopleProps) {
  const { desk, moderates, onAction, onCopy, onClose } = props;
  const waiting = useWaiting(desk, moderates ? props.waiting : 0, props.lobbyNews);
  return (
    <PeoplePanel
      people={usePeople()}
      lobby={
        <LobbySection
          waiting={waiting}
          onAdmit={(ticket) => {
            desk.act(desk.admit(ticket));
          }}
          onRefuse={(ticket) => {
            desk.act(desk.refuse(ticket));
          }}
          onAdmitAll={() => {
            desk.act(desk.admitAll());
          }}
        />
      }
      onAction={moderates ? onAction : undefined}
      onCopy={onCopy}
      onClose={onClose}
    />
  );
}

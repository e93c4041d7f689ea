import { PeoplePanel } from './PeoplePanel';
import { usePeople } from './usePeople';

/** The people panel, fed by livekit only while it is open. */
export function CurrentPeople(props: { onCopy: () => void; onClose: () => void }) {
  return <PeoplePanel {...props} people={usePeople()} />;
}

import { Icon } from '../ui/Icon';
import { Button } from '../ui/Button';
import { Avatar } from './Avatar';
import { QualityBars, type Quality } from './QualityBars';
import { SidePanel } from './SidePanel';

export interface PersonModel {
  identity: string;
  name: string;
  local: boolean;
  micOn: boolean;
  cameraOn: boolean;
  sharing: boolean;
  speaking: boolean;
  quality: Quality;
}

interface PeoplePanelProps {
  people: readonly PersonModel[];
  onCopy: () => void;
  onClose: () => void;
}

export function PeoplePanel({ people, onCopy, onClose }: PeoplePanelProps) {
  return (
    <SidePanel title={`People (${String(people.length)})`} onClose={onClose}>
      {/* Focusable because it scrolls. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <ul className="people" aria-label="People in this call" tabIndex={0}>
        {people.map((person) => (
          <PersonRow key={person.identity} person={person} />
        ))}
      </ul>
      <div className="panel-foot">
        <Button icon="link" onClick={onCopy}>
          Copy invite link
        </Button>
      </div>
    </SidePanel>
  );
}

function PersonRow({ person }: { person: PersonModel }) {
  return (
    <li
      className="person"
      data-testid="people-row"
      data-identity={person.identity}
      data-speaking={person.speaking}
    >
      <Avatar small name={person.name} identity={person.identity} />
      <span className="person-name">
        <span>{person.name}</span>
        {person.local && <span className="tag">you</span>}
        {person.sharing && <span className="tag">sharing</span>}
      </span>
      <QualityBars quality={person.quality} />
      <State icon={person.cameraOn ? 'camera' : 'cameraOff'} on={person.cameraOn} what="Camera" />
      <State icon={person.micOn ? 'mic' : 'micOff'} on={person.micOn} what="Microphone" />
    </li>
  );
}

interface StateProps {
  icon: 'camera' | 'cameraOff' | 'mic' | 'micOff';
  on: boolean;
  what: string;
}

function State({ icon, on, what }: StateProps) {
  return (
    <span
      className={on ? 'person-state' : 'person-state person-state-off'}
      role="img"
      aria-label={`${what} ${on ? 'on' : 'off'}`}
    >
      <Icon name={icon} size={18} />
    </span>
  );
}

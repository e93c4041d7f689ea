import type { ReactNode } from 'react';
import { actionLabel, hostActions, type HostAction } from '../state/hosting';
import { roleName } from '../state/notices';
import { Button } from '../ui/Button';
import { Icon, type IconName } from '../ui/Icon';
import { Menu } from '../ui/Menu';
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
  role: string;
  /** Whose turn it is among raised hands, from 1; `undefined` while the hand is down. */
  turn: number | undefined;
}

interface PeoplePanelProps {
  people: readonly PersonModel[];
  /** Who stands at the door; for hosts. */
  lobby?: ReactNode;
  /** Absent for those who do not moderate. */
  onAction?: ((person: PersonModel, action: HostAction) => void) | undefined;
  onCopy: () => void;
  onClose: () => void;
}

export function PeoplePanel({ people, lobby, onAction, onCopy, onClose }: PeoplePanelProps) {
  const ordered = handsFirst(people);
  return (
    <SidePanel title={`People (${String(people.length)})`} onClose={onClose}>
      {/* Focusable because it scrolls. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div className="people" role="group" aria-label="People" tabIndex={0}>
        {lobby}
        <ul aria-label="People in this call">
          {ordered.map((person) => (
            <PersonRow key={person.identity} person={person} onAction={onAction} />
          ))}
        </ul>
      </div>
      <div className="panel-foot">
        <Button icon="link" onClick={onCopy}>
          Copy invite link
        </Button>
      </div>
    </SidePanel>
  );
}

/** Raised hands come first, in the order they went up; the others stay as they are. */
export function handsFirst(people: readonly PersonModel[]): PersonModel[] {
  const turn = (person: PersonModel) => person.turn ?? Number.MAX_SAFE_INTEGER;
  return [...people].sort((one, other) => turn(one) - turn(other));
}

interface PersonRowProps {
  person: PersonModel;
  onAction: PeoplePanelProps['onAction'];
}

function PersonRow({ person, onAction }: PersonRowProps) {
  const actions = onAction ? hostActions(person) : [];
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
        {person.role !== '' && person.role !== 'participant' && (
          <span className="tag tag-role">{roleName(person.role)}</span>
        )}
        {person.sharing && <span className="tag">sharing</span>}
      </span>
      {person.turn !== undefined && <RaisedHand turn={person.turn} />}
      <QualityBars quality={person.quality} />
      <State icon={person.cameraOn ? 'camera' : 'cameraOff'} on={person.cameraOn} what="Camera" />
      <State icon={person.micOn ? 'mic' : 'micOff'} on={person.micOn} what="Microphone" />
      {onAction && actions.length > 0 && (
        <Menu
          label={`Actions for ${person.name}`}
          heading={person.name}
          className="icon-button person-more"
          testId="person-menu"
          items={actions.map((action) => ({
            label: actionLabel(action),
            icon: actionIcon(action),
            danger: action.type === 'remove',
            testId: `host-${action.type}${'source' in action ? `-${action.source}` : ''}`,
            onSelect: () => {
              onAction(person, action);
            },
          }))}
        >
          <Icon name="more" size={18} />
        </Menu>
      )}
    </li>
  );
}

function RaisedHand({ turn }: { turn: number }) {
  return (
    <span
      className="hand"
      role="img"
      aria-label={`Hand raised, number ${String(turn)} in line`}
      data-testid="raised-hand"
      data-turn={turn}
    >
      <Icon name="hand" size={16} />
      {turn}
    </span>
  );
}

function actionIcon(action: HostAction): IconName {
  switch (action.type) {
    case 'mute':
      return { microphone: 'micOff', camera: 'cameraOff', screen_share: 'shareStop' }[
        action.source
      ] as IconName;
    case 'ask':
      return action.source === 'camera' ? 'camera' : 'mic';
    case 'lower_hand':
      return 'hand';
    case 'role':
      return action.role === 'host' ? 'shield' : 'shieldOff';
    case 'remove':
      return 'door';
  }
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

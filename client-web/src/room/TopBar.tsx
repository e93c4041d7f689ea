import { formatElapsed } from '../state/elapsed';
import { Icon } from '../ui/Icon';
import { IconButton } from '../ui/IconButton';
import { useNow } from '../ui/useNow';

interface TopBarProps {
  roomId: string;
  roomName: string;
  encrypted: boolean;
  locked: boolean;
  recording: boolean;
  joinedAt: number;
  layout: 'grid' | 'stage';
  onLayout: () => void;
  onCopy: () => void;
  onSettings: () => void;
  /** Absent for those who do not moderate. */
  onHost?: (() => void) | undefined;
}

export function TopBar(props: TopBarProps) {
  const other = props.layout === 'grid' ? 'stage' : 'grid';
  return (
    <header className="topbar">
      <div className="topbar-room">
        <h1 title={props.roomName}>{props.roomName === '' ? props.roomId : props.roomName}</h1>
        {props.encrypted && (
          <span
            className="topbar-lock"
            role="img"
            aria-label="End-to-end encrypted"
            title="End-to-end encrypted: the key is in your link, not on the server"
            data-testid="e2ee-lock"
          >
            <Icon name="lock" size={17} />
          </span>
        )}
        {props.locked && (
          <span className="tag" title="Nobody new comes in" data-testid="room-locked">
            Locked
          </span>
        )}
        {props.recording && (
          <span
            className="tag tag-recording"
            title="What is said and shown is being recorded"
            data-testid="room-recording"
          >
            <span>
              Rec<span className="topbar-rest">ording</span>
            </span>
          </span>
        )}
        <Elapsed since={props.joinedAt} />
      </div>
      <div className="topbar-actions">
        <IconButton
          icon={other}
          iconSize={20}
          label={`Switch to ${other} layout`}
          shortcut="G"
          data-testid="control-layout"
          onClick={props.onLayout}
        />
        <IconButton
          icon="link"
          iconSize={20}
          label="Copy invite link"
          shortcut="L"
          data-testid="control-copy"
          onClick={props.onCopy}
        />
        {props.onHost && (
          <IconButton
            icon="shield"
            iconSize={20}
            label="Host controls"
            data-testid="control-host"
            onClick={props.onHost}
          />
        )}
        <IconButton
          icon="settings"
          iconSize={20}
          label="Settings"
          data-testid="control-settings"
          onClick={props.onSettings}
        />
      </div>
    </header>
  );
}

function Elapsed({ since }: { since: number }) {
  const now = useNow(1000);
  return (
    <span className="topbar-time" role="timer" aria-label="Time in this call" data-testid="elapsed">
      {formatElapsed(now - since)}
    </span>
  );
}

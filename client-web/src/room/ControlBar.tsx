import { IconButton } from '../ui/IconButton';
import { ReactionMenu } from './Reactions';

export type Panel = 'none' | 'chat' | 'people';

export interface ControlBarProps {
  micOn: boolean;
  cameraOn: boolean;
  sharing: boolean;
  canShare: boolean;
  panel: Panel;
  unread: number;
  handUp: boolean;
  /** People in the lobby, for those who let them in. */
  waiting: number;
  onMic: () => void;
  onCamera: () => void;
  onShare: () => void;
  onHand: () => void;
  onReact: (emoji: string) => void;
  onPanel: (panel: Panel) => void;
  onLeave: () => void;
}

/** Labels say what a press will do, so no pressed-state is announced on top of it. */
export function ControlBar(props: ControlBarProps) {
  const { micOn, cameraOn, sharing, panel } = props;
  const toggle = (which: Panel) => () => {
    props.onPanel(panel === which ? 'none' : which);
  };
  return (
    <div className="controls" role="group" aria-label="Call controls">
      <IconButton
        icon={micOn ? 'mic' : 'micOff'}
        tone={micOn ? 'plain' : 'off'}
        label={micOn ? 'Mute microphone' : 'Unmute microphone'}
        shortcut="M"
        data-testid="control-mic"
        data-on={micOn}
        onClick={props.onMic}
      />
      <IconButton
        icon={cameraOn ? 'camera' : 'cameraOff'}
        tone={cameraOn ? 'plain' : 'off'}
        label={cameraOn ? 'Turn camera off' : 'Turn camera on'}
        shortcut="V"
        data-testid="control-camera"
        data-on={cameraOn}
        onClick={props.onCamera}
      />
      {props.canShare && (
        <IconButton
          icon={sharing ? 'shareStop' : 'share'}
          tone={sharing ? 'active' : 'plain'}
          label={sharing ? 'Stop sharing your screen' : 'Share your screen'}
          shortcut="S"
          data-testid="control-share"
          data-on={sharing}
          onClick={props.onShare}
        />
      )}
      <span className="controls-gap" aria-hidden="true" />
      <IconButton
        icon="hand"
        tone={props.handUp ? 'active' : 'plain'}
        label={props.handUp ? 'Lower your hand' : 'Raise your hand'}
        shortcut="H"
        data-testid="control-hand"
        data-on={props.handUp}
        onClick={props.onHand}
      />
      <ReactionMenu onReact={props.onReact} />
      <IconButton
        icon="chat"
        tone={panel === 'chat' ? 'active' : 'plain'}
        label="Chat"
        shortcut="C"
        badge={props.unread}
        aria-expanded={panel === 'chat'}
        data-testid="control-chat"
        onClick={toggle('chat')}
      />
      <IconButton
        icon="people"
        tone={panel === 'people' ? 'active' : 'plain'}
        label="People"
        shortcut="P"
        badge={props.waiting}
        badgeWord="waiting to come in"
        aria-expanded={panel === 'people'}
        data-testid="control-people"
        onClick={toggle('people')}
      />
      <span className="controls-gap" aria-hidden="true" />
      <IconButton
        icon="leave"
        tone="danger"
        label="Leave the call"
        data-testid="control-leave"
        onClick={props.onLeave}
      />
    </div>
  );
}

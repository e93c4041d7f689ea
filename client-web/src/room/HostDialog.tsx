import { useState } from 'react';
import type { Entry } from '../api/hosts';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Switch } from '../ui/Switch';

interface HostDialogProps {
  entry: Entry;
  onEntry: (change: Partial<Entry>) => void;
  onMuteAll: () => void;
  onEnd: () => void;
  onClose: () => void;
}

/** What a host decides for everybody. The end of the call asks twice. */
export function HostDialog({ entry, onEntry, onMuteAll, onEnd, onClose }: HostDialogProps) {
  const [ending, setEnding] = useState(false);
  if (ending) {
    return (
      // The key: a dialog of its own, in which the browser places the focus anew.
      <Dialog key="end" title="End the call for everybody?" onClose={onClose}>
        <p className="empty">Everybody leaves at once, you as well.</p>
        <div className="dialog-actions">
          <Button
            onClick={() => {
              setEnding(false);
            }}
          >
            Go on
          </Button>
          <Button look="danger" onClick={onEnd} data-testid="host-end-confirm">
            End for all
          </Button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title="Host controls" onClose={onClose}>
      <Switch
        label="Lock the room"
        hint="Nobody new comes in. Who is here stays."
        checked={entry.locked}
        onChange={(locked) => {
          onEntry({ locked });
        }}
        testId="host-lock"
      />
      <Switch
        label="Lobby"
        hint="People wait until a host lets them in."
        checked={entry.lobby}
        onChange={(lobby) => {
          onEntry({ lobby });
        }}
        testId="host-lobby"
      />
      <Button icon="micOff" onClick={onMuteAll} data-testid="host-mute-all">
        Mute everybody
      </Button>
      <Button
        icon="leave"
        className="button-warning"
        data-testid="host-end"
        onClick={() => {
          setEnding(true);
        }}
      >
        End the call for all…
      </Button>
    </Dialog>
  );
}

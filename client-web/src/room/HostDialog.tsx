import { useState } from 'react';
import type { Entry } from '../api/hosts';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Switches } from '../ui/Switches';
import { RecordDialog } from './RecordDialog';

interface HostDialogProps {
  entry: Entry;
  onEntry: (change: Partial<Entry>) => void;
  recording: boolean;
  /** The server cannot record what it cannot read. */
  recordable: boolean;
  onRecord: () => Promise<unknown>;
  onStopRecording: () => Promise<unknown>;
  onMuteAll: () => void;
  onEnd: () => void;
  onClose: () => void;
}

/** What a host decides for everybody. Recording asks first, and the end of the call as well. */
export function HostDialog(props: HostDialogProps) {
  const { entry, onEntry, recording, recordable, onMuteAll, onEnd, onClose } = props;
  // As it was when the question was put: an answer that comes late must not turn it around.
  const [asking, setAsking] = useState<'end' | 'record' | 'stop'>();
  if (asking === 'record' || asking === 'stop') {
    return (
      <RecordDialog
        key="record"
        stops={asking === 'stop'}
        act={asking === 'stop' ? props.onStopRecording : props.onRecord}
        onClose={onClose}
      />
    );
  }
  if (asking === 'end') {
    return (
      // The key: a dialog of its own, in which the browser places the focus anew.
      <Dialog key="end" title="End the call for everybody?" onClose={onClose}>
        <p className="empty">Everybody leaves at once, you as well.</p>
        <div className="dialog-actions">
          <Button
            onClick={() => {
              setAsking(undefined);
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
      <Switches choices={ENTRY} values={entry} onChange={onEntry} />
      <Button icon="micOff" onClick={onMuteAll} data-testid="host-mute-all">
        Mute everybody
      </Button>
      {recordable ? (
        <Button
          icon={recording ? 'stop' : 'record'}
          data-testid="host-record"
          onClick={() => {
            setAsking(recording ? 'stop' : 'record');
          }}
        >
          {recording ? 'Stop recording…' : 'Record the call…'}
        </Button>
      ) : (
        <p className="field-hint" data-testid="host-unrecordable">
          This call is end-to-end encrypted: nobody but the people in it can record it.
        </p>
      )}
      <Button
        icon="leave"
        className="button-warning"
        data-testid="host-end"
        onClick={() => {
          setAsking('end');
        }}
      >
        End the call for all…
      </Button>
    </Dialog>
  );
}

const ENTRY = [
  {
    of: 'locked',
    label: 'Lock the room',
    hint: 'Nobody new comes in. Who is here stays.',
    testId: 'host-lock',
  },
  {
    of: 'lobby',
    label: 'Lobby',
    hint: 'People wait until a host lets them in.',
    testId: 'host-lobby',
  },
] as const;

import { account } from '../../account/account';
import { recordings, type RecordingInfo } from '../../api/recordings';
import { dateTime } from '../../state/measures';
import { Asking } from '../../ui/Asking';
import { Dialog } from '../../ui/Dialog';
import { Files } from './Files';

interface RecordingDialogProps {
  recording: RecordingInfo;
  onClose: () => void;
}

export function DeleteDialog({
  recording,
  onDeleted,
  onClose,
}: RecordingDialogProps & { onDeleted: () => void }) {
  return (
    <Asking
      title="Delete this recording?"
      yes="Delete"
      danger
      testId="recording-delete-confirm"
      onClose={onClose}
      act={async () => {
        await account.ask((token) => recordings.remove(recording.id, token));
        onDeleted();
      }}
    >
      <p className="empty">
        {recording.room}, {dateTime(recording.started_at)}: all its files are gone for good. That it
        was made and deleted stays in the audit trail.
      </p>
    </Asking>
  );
}

export function StopDialog({
  recording,
  onStopped,
  onClose,
}: RecordingDialogProps & { onStopped: (recording: RecordingInfo) => void }) {
  return (
    <Asking
      title="Stop recording?"
      yes="Stop recording"
      testId="recording-stop-confirm"
      onClose={onClose}
      act={async () => {
        onStopped(await account.ask((token) => recordings.stop(recording.id, token)));
      }}
    >
      <p className="empty">
        The call goes on. What was recorded until now is kept, and can be played in a moment.
      </p>
    </Asking>
  );
}

export function FilesDialog({ recording, onClose }: RecordingDialogProps) {
  return (
    <Dialog title="Download" onClose={onClose}>
      <Files recording={recording} />
    </Dialog>
  );
}

import { Asking } from '../ui/Asking';

interface RecordDialogProps {
  /** The question is whether to stop. */
  stops: boolean;
  /** The dialog says why when it rejects. */
  act: () => Promise<unknown>;
  onClose: () => void;
}

/** Recording is nothing to begin by a slip of the finger, and people ask who will see it. */
export function RecordDialog({ stops, act, onClose }: RecordDialogProps) {
  return stops ? (
    <Asking
      title="Stop recording?"
      yes="Stop recording"
      testId="record-confirm"
      act={act}
      onClose={onClose}
    >
      <p className="empty">
        The call goes on. What was recorded until now is kept, and can be played in a moment.
      </p>
    </Asking>
  ) : (
    <Asking
      title="Record this call?"
      yes="Start recording"
      testId="record-confirm"
      act={act}
      onClose={onClose}
    >
      <p className="empty">
        Voices, cameras and shared screens are kept on the server, and the chat where this room
        keeps it. Everybody here sees that the call is recorded, and who comes later is told before
        they join.
      </p>
      <p className="empty">
        The hosts of this call, whoever owns the room and the administrators of this server can
        watch it.
      </p>
    </Asking>
  );
}

import type { RecordingInfo } from '../../api/recordings';
import { isGoingOn } from '../../api/recordings';
import { isComposing, stateName } from '../../state/recordings';
import { Icon } from '../../ui/Icon';

/** What a recording is doing, or how it ended. */
export function StateTag({ recording }: { recording: RecordingInfo }) {
  const { state } = recording;
  const look = isGoingOn(recording)
    ? 'tag tag-recording'
    : state === 'failed' || state === 'aborted'
      ? 'tag tag-problem'
      : state === 'ending'
        ? 'tag tag-live'
        : 'tag';
  return (
    <span className="tags">
      <span className={look}>{stateName(state)}</span>
      {isComposing(recording) && <span className="tag tag-live">Making a video</span>}
    </span>
  );
}

/** Nobody may delete it, and it does not expire. */
export function HeldTag() {
  return (
    <span className="tag tag-held" title="Nobody can delete it, and it does not expire">
      <Icon name="lock" size={14} /> Held
    </span>
  );
}

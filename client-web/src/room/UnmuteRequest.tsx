import type { Source } from '../api/hosts';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';

const WORDS: Record<Source, { title: string; until: string; yes: string }> = {
  microphone: {
    title: 'asks you to unmute',
    until: 'Your microphone stays off until you say so.',
    yes: 'Unmute',
  },
  camera: {
    title: 'asks you to turn your camera on',
    until: 'Your camera stays off until you say so.',
    yes: 'Turn camera on',
  },
  screen_share: {
    title: 'asks you to share your screen',
    until: 'Nobody sees your screen until you say so, and you choose what of it.',
    yes: 'Share screen',
  },
};

interface UnmuteRequestProps {
  /** What the host is called. */
  by: string;
  source: Source;
  onAccept: () => void;
  onDecline: () => void;
}

/** A host may ask; only the person turns a microphone on. */
export function UnmuteRequest({ by, source, onAccept, onDecline }: UnmuteRequestProps) {
  const { title, until, yes } = WORDS[source];
  return (
    <Dialog title={`${by} ${title}`} onClose={onDecline}>
      <p className="empty">{until}</p>
      <div className="dialog-actions">
        <Button onClick={onDecline} data-testid="unmute-decline">
          Not now
        </Button>
        <Button look="primary" onClick={onAccept} data-testid="unmute-accept">
          {yes}
        </Button>
      </div>
    </Dialog>
  );
}

import type { Source } from '../api/hosts';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';

const WORDS: Record<Source, { title: string; yes: string }> = {
  microphone: { title: 'asks you to unmute', yes: 'Unmute' },
  camera: { title: 'asks you to turn your camera on', yes: 'Turn camera on' },
  screen_share: { title: 'asks you to share your screen', yes: 'Share screen' },
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
  const { title, yes } = WORDS[source];
  return (
    <Dialog title={`${by} ${title}`} onClose={onDecline}>
      <p className="empty">The others see and hear nothing of you until you say so.</p>
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

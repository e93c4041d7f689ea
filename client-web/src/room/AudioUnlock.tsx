import { useAudioPlayback } from '@livekit/components-react';
import { Button } from '../ui/Button';

/** Browsers may hold sound back until a person has touched the page (a reload, `?join=1`). */
export function AudioUnlock() {
  const { canPlayAudio, startAudio } = useAudioPlayback();
  if (canPlayAudio) return null;
  return (
    <div className="banner" role="alert">
      <span>Your browser is holding the sound back.</span>
      <Button look="primary" icon="speaker" onClick={() => void startAudio()}>
        Play sound
      </Button>
    </div>
  );
}

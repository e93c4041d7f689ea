import { useEffect, useRef } from 'react';
import type { LocalAudioTrack, LocalVideoTrack } from 'livekit-client';
import type { PreviewMedia } from '../../media/browserMedia';
import type { LocalMediaState } from '../../media/localMedia';
import { Avatar } from '../../room/Avatar';
import { IconButton } from '../../ui/IconButton';
import { LevelMeter } from './LevelMeter';

interface PreviewProps {
  media: PreviewMedia;
  state: LocalMediaState<LocalVideoTrack, LocalAudioTrack>;
  name: string;
}

/** What the others will see, and the two switches that matter most. */
export function Preview({ media, state, name }: PreviewProps) {
  const { camera, microphone } = state;
  const cameraOn = camera.status === 'on' || camera.status === 'starting';
  const micOn = microphone.status === 'on' || microphone.status === 'starting';
  return (
    <div className="preview" data-testid="prejoin-preview" data-camera={camera.status}>
      {camera.status === 'on' ? (
        <PreviewVideo track={camera.track} />
      ) : (
        <div className="preview-off">
          <Avatar name={name} identity={name} />
          <p>{camera.status === 'starting' ? 'Starting the camera…' : 'Your camera is off'}</p>
        </div>
      )}
      <div className="preview-controls">
        <IconButton
          icon={micOn ? 'mic' : 'micOff'}
          tone={micOn ? 'plain' : 'off'}
          label={micOn ? 'Turn microphone off' : 'Turn microphone on'}
          data-testid="prejoin-mic"
          onClick={() => void media.set('microphone', !micOn)}
        />
        <IconButton
          icon={cameraOn ? 'camera' : 'cameraOff'}
          tone={cameraOn ? 'plain' : 'off'}
          label={cameraOn ? 'Turn camera off' : 'Turn camera on'}
          data-testid="prejoin-camera"
          onClick={() => void media.set('camera', !cameraOn)}
        />
      </div>
      {microphone.status === 'on' && <LevelMeter track={microphone.track} />}
    </div>
  );
}

function PreviewVideo({ track }: { track: LocalVideoTrack }) {
  const ref = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    track.attach(element);
    return () => {
      track.detach(element);
    };
  }, [track]);
  // Mirrored in CSS: people know themselves from mirrors; the others get the true picture.
  return <video ref={ref} className="mirrored" muted playsInline aria-label="Your camera" />;
}

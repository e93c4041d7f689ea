import { useRemoteParticipant, useRoomContext } from '@livekit/components-react';
import { useCallback } from 'react';
import { api } from '../api/client';
import { displayName } from '../state/people';
import { splitKey } from '../state/picture';
import { PicturePanel } from './PicturePanel';
import { usePolled } from '../ui/usePolled';

/** How often the server is asked while the panel is open. */
const EVERY_MS = 2000;

interface InspectedPictureProps {
  roomId: string;
  pictureKey: string;
  token: () => string;
  onClose: () => void;
}

/** The picture panel, fed by the server while it is open. */
export function InspectedPicture({ roomId, pictureKey, token, onClose }: InspectedPictureProps) {
  const { identity, source } = splitKey(pictureKey);
  const me = useRoomContext().localParticipant.identity;
  const person = useRemoteParticipant(identity);
  const ask = useCallback(() => api.explain(roomId, me, token()), [roomId, me, token]);
  const report = usePolled(ask, EVERY_MS);
  const name = displayName(person?.name, identity);
  return (
    <PicturePanel
      caption={source === 'screen_share' ? `${name}’s screen` : name}
      pictureKey={pictureKey}
      report={report}
      onClose={onClose}
    />
  );
}

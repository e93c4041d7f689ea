import { usePagination, useTracks } from '@livekit/components-react';
import { RoomEvent, Track } from 'livekit-client';
import { memo, useSyncExternalStore } from 'react';
import { chooseStage } from '../state/layout';
import { capacityOfWindow, GridView } from './GridView';
import { ParticipantTile } from './ParticipantTile';
import { StageView } from './StageView';
import { tileKey, toStageable } from './trackReference';
import { useHandOrder } from './useHandOrder';
import { useLastSpeaker } from './useLastSpeaker';

interface TilesProps {
  layout: 'grid' | 'stage';
  pinnedKey: string | undefined;
  onPin: (key: string | undefined) => void;
  onInspect: (key: string) => void;
}

/** Everybody's camera (or the place for it) and every shared screen, in the current layout. */
export const Tiles = memo(function Tiles({ layout, pinnedKey, onPin, onInspect }: TilesProps) {
  const trackRefs = useTracks(
    [
      { source: Track.Source.Camera, withPlaceholder: true },
      { source: Track.Source.ScreenShare, withPlaceholder: false },
    ],
    // Tiles follow their own track's changes. The list follows who is here, what is published, and
    // who speaks: speakers come to the first page.
    { onlySubscribed: false, updateOnlyOn: [RoomEvent.ActiveSpeakersChanged] },
  );
  const speaker = useLastSpeaker();
  const turns = useHandOrder();
  const capacity = useSyncExternalStore(onResize, capacityOfWindow);
  const pagination = usePagination(capacity, trackRefs);

  const togglePin = (key: string) => () => {
    onPin(key === pinnedKey ? undefined : key);
  };

  const inspect = (key: string) => () => {
    onInspect(key);
  };

  if (layout === 'grid') {
    return (
      <GridView
        count={pagination.tracks.length}
        page={pagination.currentPage}
        pages={pagination.totalPageCount}
        onPage={(step) => {
          if (step === 1) pagination.nextPage();
          else pagination.prevPage();
        }}
      >
        {pagination.tracks.map((trackRef) => (
          <ParticipantTile
            key={tileKey(trackRef)}
            trackRef={trackRef}
            turn={turns.get(trackRef.participant.identity)}
            onPin={trackRefs.length > 1 ? togglePin(tileKey(trackRef)) : undefined}
            onInspect={inspect(tileKey(trackRef))}
          />
        ))}
      </GridView>
    );
  }

  const mainKey = chooseStage(trackRefs.map(toStageable), pinnedKey, speaker);
  const main = trackRefs.find((trackRef) => tileKey(trackRef) === mainKey);
  return (
    <StageView
      main={
        main && (
          <ParticipantTile
            key={mainKey}
            trackRef={main}
            turn={turns.get(main.participant.identity)}
            pinned={mainKey === pinnedKey}
            onPin={mainKey === pinnedKey ? togglePin(tileKey(main)) : undefined}
            onInspect={inspect(tileKey(main))}
          />
        )
      }
      strip={trackRefs
        .filter((trackRef) => trackRef !== main)
        .map((trackRef) => (
          <ParticipantTile
            key={tileKey(trackRef)}
            trackRef={trackRef}
            turn={turns.get(trackRef.participant.identity)}
            compact
            onPin={togglePin(tileKey(trackRef))}
            onInspect={inspect(tileKey(trackRef))}
          />
        ))}
    />
  );
});

function onResize(listener: () => void): () => void {
  window.addEventListener('resize', listener);
  return () => {
    window.removeEventListener('resize', listener);
  };
}

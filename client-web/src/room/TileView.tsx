import type { ReactNode } from 'react';
import { Icon } from '../ui/Icon';
import { IconButton } from '../ui/IconButton';
import { Avatar } from './Avatar';
import { QualityBars, type Quality } from './QualityBars';

/** All a tile shows, as a value: the gallery shows invented ones. */
export interface TileModel {
  key: string;
  identity: string;
  name: string;
  source: 'camera' | 'screen_share';
  local: boolean;
  micMuted: boolean;
  speaking: boolean;
  quality: Quality;
  /** The server holds the picture back for want of bandwidth. */
  paused?: boolean;
  /** Whose turn it is among raised hands, from 1; `undefined` while the hand is down. */
  turn?: number | undefined;
}

interface TileViewProps {
  tile: TileModel;
  /** The picture; absent while the camera is off or not yet here. */
  video?: ReactNode;
  pinned?: boolean;
  /** Small tiles in the strip show less. */
  compact?: boolean;
  onPin?: (() => void) | undefined;
  /** Opens the answer to "why is this blurry?". */
  onInspect?: (() => void) | undefined;
}

export function TileView({
  tile,
  video,
  pinned = false,
  compact = false,
  onPin,
  onInspect,
}: TileViewProps) {
  const share = tile.source === 'screen_share';
  const name = tile.local ? 'You' : tile.name;
  const caption = share ? (tile.local ? 'Your screen' : `${tile.name}’s screen`) : name;
  return (
    <article
      className={`tile ${share ? 'tile-share' : ''} ${compact ? 'tile-compact' : ''}`}
      aria-label={describe(tile, caption)}
      data-testid="tile"
      data-identity={tile.identity}
      data-local={tile.local}
      data-source={tile.source}
      data-muted={tile.micMuted}
      data-quality={tile.quality}
      data-speaking={tile.speaking}
      data-video={video !== undefined}
      data-paused={tile.paused ?? false}
    >
      {!share && (
        // Under the picture, too: it shows until the first frame arrives.
        <div className="tile-blank">
          <Avatar name={tile.name} identity={tile.identity} />
        </div>
      )}
      {video}
      {video !== undefined && tile.paused && (
        <div className="tile-paused">
          {!share && <Avatar name={tile.name} identity={tile.identity} />}
          <p>Paused to save bandwidth</p>
        </div>
      )}
      {!share && tile.turn !== undefined && (
        <div
          className="tile-hand"
          data-testid="tile-hand"
          data-turn={tile.turn}
          title="Hand raised"
        >
          <Icon name="hand" size={18} />
          {tile.turn}
        </div>
      )}
      <div className="tile-caption">
        {!share && tile.micMuted && (
          <span className="tile-muted">
            <Icon name="micOff" size={16} />
          </span>
        )}
        {share && <Icon name="share" size={16} />}
        <span className="tile-name">{caption}</span>
        {!share && <QualityBars quality={tile.quality} />}
      </div>
      {onInspect && video !== undefined && (
        <IconButton
          className={onPin ? 'tile-tool tile-info' : 'tile-tool'}
          icon="info"
          iconSize={18}
          label={`Picture details of ${caption}`}
          data-testid="tile-info"
          onClick={onInspect}
        />
      )}
      {onPin && (
        <IconButton
          className="tile-tool"
          icon={pinned ? 'pinOff' : 'pin'}
          iconSize={18}
          label={pinned ? `Take ${caption} off the stage` : `Put ${caption} on stage`}
          onClick={onPin}
        />
      )}
    </article>
  );
}

function describe(tile: TileModel, caption: string): string {
  if (tile.source === 'screen_share') return caption;
  return [
    caption,
    tile.micMuted ? 'muted' : '',
    tile.speaking ? 'speaking' : '',
    tile.paused ? 'picture paused' : '',
    tile.turn === undefined ? '' : `hand raised, number ${String(tile.turn)} in line`,
  ]
    .filter(Boolean)
    .join(', ');
}

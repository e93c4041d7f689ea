/** Why a picture looks as it does, in the words of somebody who watches it. Pure. */
import type { ExplainedTrack, Explanation, Reason } from '../api/types';

/** The words for each reason: what is, and what one can do about it if anything. */
const REASONS: Record<Reason, string> = {
  connecting: 'The connection for this picture is being set up.',
  full: 'This is the best picture that is being sent.',
  subscriber_asked: 'You get a picture as large as its tile. Put it on stage to see more.',
  disabled: 'This picture is out of sight, so it is not sent to you.',
  bandwidth: 'Your connection has no room for a sharper picture right now.',
  paused: 'Paused to save bandwidth. It comes back when your connection has room again.',
  publisher_not_sending: 'The other side sends nothing sharper right now.',
  muted: 'The camera is turned off.',
  waiting_for_keyframe: 'A sharper picture is about to begin.',
  room_limit: 'This room shows only so many people at once. It comes back when they speak.',
  not_decodable: 'This browser cannot show the format of this picture.',
};

const LAYERS = ['Low', 'Medium', 'High'];

/** One line of the details. */
export interface Fact {
  label: string;
  value: string;
}

/** A tile's key (`identity:source`) taken apart; identities may have colons, sources have none. */
export function splitKey(key: string): { identity: string; source: string } {
  const colon = key.lastIndexOf(':');
  return { identity: key.slice(0, colon), source: key.slice(colon + 1) };
}

/** The picture of that tile in an explanation. */
export function pictureIn(explanation: Explanation, key: string): ExplainedTrack | undefined {
  const { identity, source } = splitKey(key);
  return explanation.tracks.find(
    (track) =>
      track.kind === 'video' && track.publisher.identity === identity && track.source === source,
  );
}

export function reasonInWords(track: Pick<ExplainedTrack, 'reason' | 'explanation'>): string {
  // A newer server may have reasons we do not know; it brings its own words.
  const words = (REASONS as Partial<Record<string, string>>)[track.reason];
  return words ?? `${capitalized(track.explanation)}.`;
}

/** The picture in figures. */
export function pictureFacts(track: ExplainedTrack): Fact[] {
  const { current_layer, wanted_layer, resolution, delivered_bps, wanted_bps } = track;
  const asked = wanted_layer !== null && wanted_layer.spatial !== current_layer?.spatial;
  return [
    { label: 'Layer', value: layerInWords(current_layer) },
    ...(asked ? [{ label: 'Asked for', value: layerInWords(wanted_layer) }] : []),
    {
      label: 'Size',
      value: resolution ? `${String(resolution.width)} × ${String(resolution.height)}` : '–',
    },
    { label: 'Frames per second', value: track.fps > 0 ? String(Math.round(track.fps)) : '–' },
    {
      label: 'Bitrate',
      value:
        wanted_bps > delivered_bps * 1.1
          ? `${rate(delivered_bps)} of ${rate(wanted_bps)}`
          : rate(delivered_bps),
    },
  ];
}

/** The way to me in figures. */
export function linkFacts({ link }: Explanation): Fact[] {
  return [
    { label: 'Room for', value: rate(link.estimate_bps) },
    { label: 'In use', value: rate(link.sent_bps) },
    { label: 'Loss', value: percent(link.loss) },
    { label: 'Round trip', value: milliseconds(link.rtt_ms) },
    { label: 'Jitter', value: milliseconds(link.jitter_ms) },
  ];
}

function layerInWords(layer: ExplainedTrack['current_layer']): string {
  return layer === null ? 'None' : (LAYERS[layer.spatial] ?? String(layer.spatial));
}

/** Two digits are enough to compare by. */
export function rate(bps: number): string {
  if (bps < 1e6) return `${String(Math.round(bps / 1000))} kbit/s`;
  return `${(bps / 1e6).toFixed(1)} Mbit/s`;
}

function percent(share: number): string {
  const value = share * 100;
  return `${value > 0 && value < 10 ? value.toFixed(1) : String(Math.round(value))} %`;
}

function milliseconds(value: number | null): string {
  return value === null ? '–' : `${String(value)} ms`;
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

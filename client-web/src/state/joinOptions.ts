/** Options on a room link, for embedders and tests: `/r/k3m9x2qa?name=Ada&join=1&codec=vp9`. */

export const CODECS = ['vp8', 'vp9', 'av1', 'h264'] as const;
export type Codec = (typeof CODECS)[number];

export interface JoinOptions {
  name: string | undefined;
  /** Skip the pre-join page. */
  joinNow: boolean;
  codec: Codec | undefined;
  audio: boolean;
  video: boolean;
  simulcast: boolean;
}

export function parseJoinOptions(search: string): JoinOptions {
  const query = new URLSearchParams(search);
  const name = query.get('name')?.trim();
  const codec = query.get('codec')?.toLowerCase();
  return {
    name: name === '' ? undefined : name,
    joinNow: query.get('join') === '1',
    codec: CODECS.find((known) => known === codec),
    audio: query.get('audio') !== '0',
    video: query.get('video') !== '0',
    simulcast: query.get('simulcast') !== '0',
  };
}

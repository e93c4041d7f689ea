import { useCallback } from 'react';
import { account } from '../../account/account';
import { recordings, type Addresses, type RecordingInfo } from '../../api/recordings';
import { readManifest, type Recording } from '../../playback/manifest';
import { PlaybackView } from '../../playback/PlaybackView';
import { useAddresses } from '../../playback/useAddresses';
import { AccessNote } from '../../ui/AccessNote';
import { Button } from '../../ui/Button';
import { useLoad } from '../../ui/useLoad';
import { Opening } from '../Opening';

interface Loaded {
  addresses: Addresses;
  /** `undefined` where nothing says how the files belong together. */
  manifest: Recording | undefined;
}

/** What was recorded, as soon as it is over. */
export function Player({ recording: { id, has_manifest } }: { recording: RecordingInfo }) {
  const askAddresses = useCallback(
    () => account.ask((token) => recordings.addresses(id, token)),
    [id],
  );
  const ask = useCallback(async (): Promise<Loaded> => {
    const [addresses, manifest] = await Promise.all([
      askAddresses(),
      has_manifest ? account.ask((token) => recordings.manifest(id, token)) : undefined,
    ]);
    return { addresses, manifest: readManifest(manifest) };
  }, [id, has_manifest, askAddresses]);
  const [loaded, again] = useLoad(ask);
  if (loaded.status === 'waiting') return <Opening text="Opening the recording…" />;
  if (loaded.status === 'failed') {
    return (
      <>
        <AccessNote error={loaded.error} />
        <Button className="self-start" onClick={again}>
          Try again
        </Button>
      </>
    );
  }
  const { addresses, manifest } = loaded.value;
  return manifest === undefined ? (
    <SingleFiles addresses={addresses} />
  ) : (
    <InStep manifest={manifest} addresses={addresses} askAddresses={askAddresses} />
  );
}

interface InStepProps {
  manifest: Recording;
  addresses: Addresses;
  askAddresses: () => Promise<Addresses>;
}

function InStep({ manifest, addresses, askAddresses }: InStepProps) {
  const sources = useAddresses(addresses, askAddresses);
  if (manifest.tracks.length === 0) {
    return (
      <p className="empty">
        {addresses.files.length === 0
          ? 'Nobody was heard or seen in this recording.'
          : 'This was recorded for players of HLS: the playlist and its segments are among the files below.'}
      </p>
    );
  }
  return <PlaybackView recording={manifest} sources={sources} />;
}

/** Nothing says how they belong together: each by itself. */
function SingleFiles({ addresses: { files } }: { addresses: Addresses }) {
  const playable = files.filter(({ name }) => /\.(webm|mp4|mkv|ogg|m4a|mp3)$/.test(name));
  if (playable.length === 0) return <p className="empty">There is nothing to play here.</p>;
  return (
    <ul className="single-files">
      {playable.map(({ name, url }) => (
        <li key={name}>
          {/* eslint-disable-next-line jsx-a11y/media-has-caption */}
          <video src={url} controls preload="metadata" playsInline aria-label={name} />
        </li>
      ))}
    </ul>
  );
}

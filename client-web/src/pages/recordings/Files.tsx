import { useState } from 'react';
import { account } from '../../account/account';
import { ApiError } from '../../api/errors';
import { recordings, type RecordingInfo } from '../../api/recordings';
import { inWords } from '../../state/failure';
import { bytes } from '../../state/measures';
import { fileNames } from '../../state/recordings';
import { Button } from '../../ui/Button';
import { saveFile, saveFrom } from '../../ui/saveFile';

const MANIFEST = 'manifest.json';

/** What there is of a recording, each to be taken away. An address is asked for when one wants it: they do not last. */
export function Files({ recording }: { recording: RecordingInfo }) {
  const [busy, setBusy] = useState<string>();
  const [problem, setProblem] = useState<string>();
  const save = async (name: string) => {
    setBusy(name);
    setProblem(undefined);
    try {
      await (name === MANIFEST ? saveManifest(recording.id) : saveOne(recording.id, name));
    } catch (error) {
      setProblem(inWords(error));
    }
    setBusy(undefined);
  };
  const sizes = new Map(recording.files.map((file) => [file.name, file.bytes]));
  const names = [...fileNames(recording), ...(recording.has_manifest ? [MANIFEST] : [])];
  if (names.length === 0) return <p className="empty">There are no files of it.</p>;
  return (
    <>
      <ul className="files">
        {names.map((name) => (
          <li key={name} data-testid="recording-file" data-file={name}>
            <span className="files-name">
              {name}
              <span className="field-hint"> {hint(recording, name, sizes.get(name))}</span>
            </span>
            <Button
              icon="download"
              className="button-small"
              busy={busy === name}
              aria-label={`Download ${name}`}
              onClick={() => void save(name)}
            >
              Download
            </Button>
          </li>
        ))}
      </ul>
      {problem !== undefined && (
        <p className="field-error" role="alert">
          {problem}
        </p>
      )}
    </>
  );
}

function hint({ composite }: RecordingInfo, name: string, size: number | undefined): string {
  if (name === MANIFEST) return 'who spoke when, the chat, what begins where';
  return [name === composite.file && 'all in one video', size !== undefined && bytes(size)]
    .filter(Boolean)
    .join(', ');
}

async function saveOne(id: string, name: string): Promise<void> {
  const { files } = await account.ask((token) => recordings.addresses(id, token));
  const url = files.find((file) => file.name === name)?.url;
  if (url === undefined) throw new ApiError(404, 'file_not_found', `there is no ${name} any more.`);
  saveFrom(url, name);
}

async function saveManifest(id: string): Promise<void> {
  const manifest = await account.ask((token) => recordings.manifest(id, token));
  const text = JSON.stringify(manifest, undefined, 2);
  saveFile(new Blob([text], { type: 'application/json' }), `${id}.json`);
}

import { useState } from 'react';
import type { Format } from '../../api/history';
import { inWords } from '../../state/failure';
import { Button } from '../../ui/Button';

interface DownloadsProps {
  /** What a file holds, said with each: the page beside it shows a part. */
  holds: string;
  save: (format: Format) => Promise<void>;
}

/** The same figures as files. */
export function Downloads({ holds, save }: DownloadsProps) {
  const [busy, setBusy] = useState<Format>();
  const [problem, setProblem] = useState<string>();
  const [saved, setSaved] = useState(false);
  const download = async (format: Format) => {
    setBusy(format);
    setProblem(undefined);
    setSaved(false);
    try {
      await save(format);
      setSaved(true);
    } catch (error) {
      setProblem(inWords(error));
    }
    setBusy(undefined);
  };
  return (
    <div className="downloads" role="group" aria-label="Download">
      {(['csv', 'json'] as const).map((format) => (
        <Button
          key={format}
          icon="download"
          className="button-small"
          busy={busy === format}
          onClick={() => void download(format)}
          data-testid={`download-${format}`}
        >
          {format.toUpperCase()}
        </Button>
      ))}
      {saved && (
        <p className="field-hint" role="status">
          Saved. A file holds {holds}.
        </p>
      )}
      {problem !== undefined && (
        <p className="field-error" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

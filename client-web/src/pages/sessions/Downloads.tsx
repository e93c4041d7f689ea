import { useState } from 'react';
import type { Format } from '../../api/history';
import { inWords } from '../../state/failure';
import { Button } from '../../ui/Button';

/** The same figures as files. */
export function Downloads({ save }: { save: (format: Format) => Promise<void> }) {
  const [busy, setBusy] = useState<Format>();
  const [problem, setProblem] = useState<string>();
  const download = async (format: Format) => {
    setBusy(format);
    setProblem(undefined);
    try {
      await save(format);
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
      {problem !== undefined && (
        <p className="field-error" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

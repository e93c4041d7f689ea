import { useState, type ReactNode } from 'react';
import { inWords } from '../state/failure';
import { Button } from './Button';
import { Dialog } from './Dialog';

interface AskingProps {
  title: string;
  yes: string;
  danger?: boolean;
  /** Of the button that says yes. */
  testId?: string;
  /** What is done; the dialog stays, and says why, when it rejects. */
  act: () => Promise<unknown>;
  onClose: () => void;
  children: ReactNode;
}

/** A question, or a small form, in a dialog that closes when the server has done it. */
export function Asking(props: AskingProps) {
  const { title, yes, danger = false, testId, act, onClose, children } = props;
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const submit = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      await act();
      onClose();
    } catch (error) {
      setProblem(inWords(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy) void submit();
        }}
      >
        {children}
        {problem !== undefined && (
          <p className="field-error" role="alert">
            {problem}
          </p>
        )}
        <div className="dialog-actions">
          <Button onClick={onClose}>Cancel</Button>
          <Button
            look={danger ? 'danger' : 'primary'}
            type="submit"
            busy={busy}
            data-testid={testId}
          >
            {yes}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

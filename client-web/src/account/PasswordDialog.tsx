import { useState } from 'react';
import { accounts } from '../api/accounts';
import { inWords } from '../state/failure';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Field } from '../ui/Field';
import { account } from './account';

export function PasswordDialog({ onClose }: { onClose: () => void }) {
  const [before, setBefore] = useState('');
  const [after, setAfter] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();

  const change = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      const change = (token: string | undefined) => accounts.changePassword(before, after, token);
      account.accept(await account.ask(change));
      onClose();
    } catch (error) {
      setProblem(inWords(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title="Change password" onClose={onClose}>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault();
          if (!busy) void change();
        }}
      >
        <Field
          label="Password until now"
          type="password"
          autoComplete="current-password"
          required
          value={before}
          onChange={(event) => {
            setBefore(event.target.value);
          }}
        />
        <Field
          label="New password"
          type="password"
          autoComplete="new-password"
          minLength={8}
          required
          value={after}
          error={problem}
          onChange={(event) => {
            setAfter(event.target.value);
          }}
        />
        <Button look="primary" type="submit" busy={busy}>
          Change password
        </Button>
      </form>
    </Dialog>
  );
}

import { useState, type ReactNode } from 'react';
import { account } from '../../account/account';
import { users, type User } from '../../api/accounts';
import { inWords } from '../../state/failure';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import { Field } from '../../ui/Field';

interface AskingProps {
  title: string;
  yes: string;
  danger?: boolean;
  act: (token: string | undefined) => Promise<unknown>;
  onClose: () => void;
  children: ReactNode;
}

/** A form in a dialog that closes when the server has done it, and says why when it has not. */
function Asking({ title, yes, danger = false, act, onClose, children }: AskingProps) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const submit = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      await account.ask(act);
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
            data-testid="user-confirm"
          >
            {yes}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

export function NewUserDialog({ onClose }: { onClose: () => void }) {
  const [login, setLogin] = useState('');
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [roles, setRoles] = useState('');
  return (
    <Asking
      title="Add user"
      yes="Add"
      onClose={onClose}
      act={(token) =>
        users.add(
          {
            login: login.trim(),
            name: name.trim(),
            password,
            roles: roles.split(/[\s,]+/).filter(Boolean),
          },
          token,
        )
      }
    >
      <Field
        label="Login"
        required
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        value={login}
        data-testid="user-login"
        onChange={(event) => {
          setLogin(event.target.value);
        }}
      />
      <Field
        label="Name (optional)"
        autoComplete="off"
        value={name}
        onChange={(event) => {
          setName(event.target.value);
        }}
      />
      <PasswordField value={password} onChange={setPassword} />
      <Field
        label="Roles (optional)"
        hint="Such as admin; several with commas between."
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        value={roles}
        onChange={(event) => {
          setRoles(event.target.value);
        }}
      />
    </Asking>
  );
}

export function NewPasswordDialog({ user, onClose }: { user: User; onClose: () => void }) {
  const [password, setPassword] = useState('');
  return (
    <Asking
      title={`New password for ${user.login}`}
      yes="Set password"
      onClose={onClose}
      act={(token) => users.change(user.id, { password }, token)}
    >
      <PasswordField value={password} onChange={setPassword} />
    </Asking>
  );
}

export function DeleteUserDialog({ user, onClose }: { user: User; onClose: () => void }) {
  return (
    <Asking
      title={`Delete ${user.login}?`}
      yes="Delete"
      danger
      onClose={onClose}
      act={(token) => users.remove(user.id, token)}
    >
      <p className="empty">
        The account is gone for good. What happened in sessions stays in their history.
      </p>
    </Asking>
  );
}

function PasswordField({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  return (
    <Field
      label="Password"
      type="password"
      required
      minLength={8}
      autoComplete="new-password"
      value={value}
      data-testid="user-password"
      onChange={(event) => {
        onChange(event.target.value);
      }}
    />
  );
}

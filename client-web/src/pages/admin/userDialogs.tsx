import { useState } from 'react';
import { account } from '../../account/account';
import { users, type User } from '../../api/accounts';
import { Asking } from '../../ui/Asking';
import { Field } from '../../ui/Field';

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
      testId="user-confirm"
      act={() => {
        const user = {
          login: login.trim(),
          name: name.trim(),
          password,
          roles: roles.split(/[\s,]+/).filter(Boolean),
        };
        return account.ask((token) => users.add(user, token));
      }}
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
      testId="user-confirm"
      act={() => account.ask((token) => users.change(user.id, { password }, token))}
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
      testId="user-confirm"
      act={() => account.ask((token) => users.remove(user.id, token))}
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

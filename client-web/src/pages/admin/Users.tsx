import { useState } from 'react';
import { account } from '../../account/account';
import { users, type User } from '../../api/accounts';
import { inWords } from '../../state/failure';
import { count, dateTime } from '../../state/measures';
import { AccessNote } from '../../ui/AccessNote';
import { Button } from '../../ui/Button';
import { Icon } from '../../ui/Icon';
import { Menu } from '../../ui/Menu';
import { useLoad } from '../../ui/useLoad';
import { Opening } from '../Opening';
import { DeleteUserDialog, NewPasswordDialog, NewUserDialog } from './userDialogs';

const ask = () => account.ask((token) => users.list(token));

type Question = { type: 'add' } | { type: 'delete' | 'password'; user: User };

/** Who has an account here. */
export function Users() {
  const [list, again] = useLoad(ask);
  const [question, setQuestion] = useState<Question>();
  const [problem, setProblem] = useState<string>();
  if (list.status === 'failed') return <AccessNote error={list.error} />;
  if (list.status === 'waiting') return <Opening text="Looking up users…" />;

  const change = async (user: User, change: Partial<Pick<User, 'roles' | 'disabled'>>) => {
    setProblem(undefined);
    try {
      await account.ask((token) => users.change(user.id, change, token));
    } catch (error) {
      setProblem(inWords(error));
    }
    again();
  };
  const close = () => {
    setQuestion(undefined);
    again();
  };
  return (
    <>
      <div className="toolbar">
        <Button
          icon="plus"
          look="primary"
          data-testid="user-add"
          onClick={() => {
            setQuestion({ type: 'add' });
          }}
        >
          Add user
        </Button>
        {problem !== undefined && (
          <p className="field-error" role="alert">
            {problem}
          </p>
        )}
      </div>
      <div className="table-frame">
        <table className="table table-cards" data-testid="user-table">
          <caption className="visually-hidden">Users</caption>
          <thead>
            <tr>
              <th scope="col">Login</th>
              <th scope="col">Name</th>
              <th scope="col">Roles</th>
              <th scope="col">Since</th>
              <th scope="col">State</th>
              <th scope="col">
                <span className="visually-hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {list.value.users.map((user) => (
              <tr key={user.id} data-testid="user-row" data-login={user.login}>
                <th scope="row">{user.login}</th>
                <td data-label="Name">{user.name === '' ? '–' : user.name}</td>
                <td data-label="Roles">{user.roles.length === 0 ? '–' : user.roles.join(', ')}</td>
                <td data-label="Since">{dateTime(user.created_at)}</td>
                <td data-label="State">
                  <span className="tag">{user.disabled ? 'disabled' : 'active'}</span>
                </td>
                <td className="table-actions">
                  <Menu
                    label={`Actions for ${user.login}`}
                    heading={user.login}
                    items={[
                      {
                        label: user.disabled ? 'Enable' : 'Disable',
                        icon: user.disabled ? 'check' : 'lock',
                        onSelect: () => void change(user, { disabled: !user.disabled }),
                      },
                      {
                        label: user.roles.includes('admin') ? 'Admin no more' : 'Make admin',
                        icon: user.roles.includes('admin') ? 'shieldOff' : 'shield',
                        onSelect: () => void change(user, { roles: toggledAdmin(user.roles) }),
                      },
                      {
                        label: 'New password…',
                        icon: 'keyboard',
                        onSelect: () => {
                          setQuestion({ type: 'password', user });
                        },
                      },
                      {
                        label: 'Delete…',
                        icon: 'trash',
                        danger: true,
                        onSelect: () => {
                          setQuestion({ type: 'delete', user });
                        },
                      },
                    ]}
                  >
                    <Icon name="more" size={20} />
                  </Menu>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {list.value.more && (
        <p className="empty">
          These are the first {count(list.value.users.length)}. The API has the others.
        </p>
      )}
      {question?.type === 'add' && <NewUserDialog onClose={close} />}
      {question?.type === 'password' && <NewPasswordDialog user={question.user} onClose={close} />}
      {question?.type === 'delete' && <DeleteUserDialog user={question.user} onClose={close} />}
    </>
  );
}

function toggledAdmin(roles: readonly string[]): string[] {
  const others = roles.filter((role) => role !== 'admin');
  return others.length === roles.length ? [...roles, 'admin'] : others;
}

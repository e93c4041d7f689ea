import { useState } from 'react';
import { account } from '../../account/account';
import { users, type User } from '../../api/accounts';
import { inWords } from '../../state/failure';
import { count, dateTime } from '../../state/measures';
import { AccessNote } from '../../ui/AccessNote';
import { Button } from '../../ui/Button';
import { Icon } from '../../ui/Icon';
import { Menu } from '../../ui/Menu';
import { Table, type Column } from '../../ui/Table';
import { useLoad } from '../../ui/useLoad';
import { Opening } from '../Opening';
import { DeleteUserDialog, NewPasswordDialog, NewUserDialog } from './userDialogs';

const ask = () => account.ask((token) => users.list(token));

type Question = { type: 'add' } | { type: 'delete' | 'password'; user: User };

const LOGIN: Column<User> = { title: 'Login', cell: (user) => user.login };
const COLUMNS: readonly Column<User>[] = [
  { title: 'Name', cell: (user) => user.name },
  { title: 'Roles', cell: (user) => user.roles.join(', ') },
  { title: 'Since', cell: (user) => dateTime(user.created_at) },
  {
    title: 'State',
    cell: (user) => <span className="tag">{user.disabled ? 'disabled' : 'active'}</span>,
  },
];

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
      <Table
        caption="Users"
        name={LOGIN}
        columns={COLUMNS}
        actions={(user) => (
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
        )}
        rows={list.value.users}
        idOf={(user) => user.id}
        data={(user) => ({ 'data-testid': 'user-row', 'data-login': user.login })}
      />
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

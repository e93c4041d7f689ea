import { useState } from 'react';
import { account } from '../../account/account';
import { rememberNext } from '../../account/next';
import { useServerInfo } from '../../account/serverInfo';
import { useAccount } from '../../account/useAccount';
import { api } from '../../api/client';
import { navigate } from '../../app/navigation';
import { failure, failureFromApi } from '../../state/failure';
import { HostKeys } from '../../state/hostKeys';
import { generateKey, roomPath } from '../../state/joinLink';
import { NO_WISHES, possible, toNewRoom, type RoomWishes } from '../../state/newRoom';
import { safeStorage } from '../../state/preferences';
import { Button } from '../../ui/Button';
import { Field } from '../../ui/Field';
import { Link } from '../../ui/Link';
import { Switch } from '../../ui/Switch';
import { RoomOptions } from './RoomOptions';

/** Start a room: a name if one likes, everything else folded away. */
export function NewRoom() {
  const info = useServerInfo();
  const signedIn = useAccount().status === 'signed_in';
  if (info?.guests === false && !signedIn) return <SignInToStart />;
  return <NewRoomForm accounts={signedIn} lasting={signedIn || info?.dev === true} />;
}

function SignInToStart() {
  return (
    <section className="card" aria-labelledby="new-heading">
      <h2 id="new-heading">New room</h2>
      <p className="empty">On this server, people with an account start rooms.</p>
      <Link
        className="button button-primary"
        to="/signin"
        data-testid="home-sign-in"
        onClickCapture={() => {
          rememberNext('/');
        }}
      >
        Sign in
      </Link>
    </section>
  );
}

/** `accounts`: there are such people; `lasting`: this one may keep a room. */
function NewRoomForm({ accounts, lasting }: { accounts: boolean; lasting: boolean }) {
  const [name, setName] = useState('');
  const [encrypted, setEncrypted] = useState(false);
  const [wished, setWishes] = useState<RoomWishes>(NO_WISHES);
  const wishes = possible(wished, encrypted);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();

  const create = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      const room = await account.ask((token) => api.createRoom(toNewRoom(name, wishes), token));
      if (room.host_key !== undefined) {
        new HostKeys(safeStorage('localStorage')).remember(room.id, room.host_key);
      }
      navigate(roomPath(room.id, encrypted ? generateKey() : undefined));
    } catch (error) {
      const { title, advice } = failureFromApi(error) ?? failure('unknown');
      setProblem(`${title}. ${advice}`);
      setBusy(false);
    }
  };

  return (
    <form
      className="card"
      aria-labelledby="new-heading"
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy) void create();
      }}
    >
      <h2 id="new-heading">New room</h2>
      <Field
        label="Room name (optional)"
        placeholder="Weekly catch-up"
        maxLength={64}
        autoComplete="off"
        value={name}
        error={problem}
        data-testid="home-room-name"
        onChange={(event) => {
          setName(event.target.value);
        }}
      />
      <Switch
        label="End-to-end encrypted"
        hint="The key stays in the link. Not even the server can listen."
        checked={encrypted}
        onChange={setEncrypted}
        testId="home-e2ee"
      />
      <RoomOptions
        wishes={wishes}
        accounts={accounts}
        lasting={lasting}
        encrypted={encrypted}
        onChange={setWishes}
      />
      <Button look="primary" type="submit" icon="plus" busy={busy} data-testid="home-create">
        Start a room
      </Button>
    </form>
  );
}

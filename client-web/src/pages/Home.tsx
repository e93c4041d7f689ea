import { useState } from 'react';
import { api } from '../api/client';
import { navigate } from '../app/navigation';
import { failure, failureFromApi } from '../state/failure';
import { generateKey, roomPath } from '../state/joinLink';
import { Button } from '../ui/Button';
import { Field } from '../ui/Field';
import { PageShell } from '../ui/PageShell';
import { Switch } from '../ui/Switch';
import { FlowArt } from './home/FlowArt';
import { JoinForm } from './home/JoinForm';
import { LiveRooms } from './home/LiveRooms';

export function Home() {
  return (
    <PageShell title="">
      <div className="home">
        <section className="home-intro">
          <h1>Calls that just flow.</h1>
          <p>Start a room, send the link, and talk: no account, nothing to install.</p>
          <FlowArt />
        </section>
        <div className="home-cards">
          <NewRoom />
          <section className="card" aria-labelledby="join-heading">
            <h2 id="join-heading">Join a room</h2>
            <JoinForm />
          </section>
          <LiveRooms />
        </div>
      </div>
    </PageShell>
  );
}

function NewRoom() {
  const [name, setName] = useState('');
  const [encrypted, setEncrypted] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();

  const create = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      const room = await api.createRoom(name);
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
      <Button look="primary" type="submit" icon="plus" busy={busy} data-testid="home-create">
        Start a room
      </Button>
    </form>
  );
}

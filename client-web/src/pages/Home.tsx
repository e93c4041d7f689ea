import { PageShell } from '../ui/PageShell';
import { FlowArt } from './home/FlowArt';
import { JoinForm } from './home/JoinForm';
import { LiveRooms } from './home/LiveRooms';
import { NewRoom } from './home/NewRoom';

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

import { useCallback, useState } from 'react';
import { account } from '../../account/account';
import { history, type SessionDetail } from '../../api/history';
import { LineChart } from '../../charts/LineChart';
import { bitrate, milliseconds, percent } from '../../state/measures';
import { displayName } from '../../state/people';
import { GRADES, qualitySeries } from '../../state/qualitySeries';
import { AccessNote } from '../../ui/AccessNote';
import { Select } from '../../ui/Select';
import { useLoad } from '../../ui/useLoad';
import { Opening } from '../Opening';

/** How well it went for one person at a time: small charts that share their time. */
export function QualityCharts({ session }: { session: SessionDetail }) {
  const ask = useCallback(
    () => account.ask((token) => history.quality(session.session_id, token)),
    [session.session_id],
  );
  const [loaded] = useLoad(ask);
  const [chosen, setChosen] = useState<string>();
  if (loaded.status === 'failed') return <AccessNote error={loaded.error} />;
  if (loaded.status === 'waiting') return <Opening text="Looking up measurements…" />;

  const measured = new Set(loaded.value.map((one) => one.participant_id));
  const names = new Map(
    session.participants.map((one) => [one.participant_id, displayName(one.name, one.identity)]),
  );
  const identities = new Map(loaded.value.map((one) => [one.participant_id, one.identity]));
  const options = [...measured].map((id) => ({
    id,
    label: names.get(id) ?? identities.get(id) ?? id,
  }));
  const who = chosen ?? options[0]?.id;
  if (who === undefined) {
    return <p className="empty">Nothing was measured: that takes ten seconds in a call.</p>;
  }
  const of = qualitySeries(loaded.value.filter((one) => one.participant_id === who));
  return (
    <>
      <div className="chooser">
        <Select
          label="Whose quality"
          icon="person"
          empty=""
          options={options}
          value={who}
          onChange={setChosen}
        />
      </div>
      <div className="charts" data-testid="quality-charts">
        <LineChart
          title="Connection"
          series={[{ name: 'Connection', points: of.grade }]}
          format={String}
          grades={GRADES}
        />
        <LineChart
          title="Received"
          series={[{ name: 'Received', points: of.bitrate }]}
          format={bitrate}
          least={100_000}
        />
        <LineChart
          title="Lost packets"
          series={[{ name: 'Lost', points: of.loss }]}
          format={percent}
          least={2}
        />
        <LineChart
          title="Round trip and jitter"
          series={[
            { name: 'Round trip', points: of.latency },
            { name: 'Jitter', points: of.jitter },
          ]}
          format={milliseconds}
          least={50}
        />
        <LineChart
          title="Frames per second"
          series={[{ name: 'Frames per second', points: of.frameRate }]}
          format={(value) => value.toFixed(0)}
          least={30}
        />
      </div>
    </>
  );
}

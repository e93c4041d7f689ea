import { account } from '../../account/account';
import { history, type LoadSample, type SystemMetrics } from '../../api/history';
import { Distribution } from '../../charts/Distribution';
import { LineChart } from '../../charts/LineChart';
import type { Point } from '../../state/chart';
import { bitrate, bytes, count, duration, percent } from '../../state/measures';
import { AccessNote } from '../../ui/AccessNote';
import { usePolled } from '../../ui/usePolled';
import { Opening } from '../Opening';

const NOW_EVERY_MS = 5000;
const LOAD_EVERY_MS = 10_000;
const MINUTES = 60;

const askNow = () => account.ask(history.system);
const askLoad = () => account.ask((token) => history.load(MINUTES, token));

/** How the server is now, and was in the last hour. */
export function Overview() {
  const now = usePolled(askNow, NOW_EVERY_MS);
  const load = usePolled(askLoad, LOAD_EVERY_MS);
  if (now.status === 'failed') return <AccessNote error={now.error} />;
  if (now.status === 'waiting') return <Opening text="Asking the server…" />;
  return (
    <>
      {now.problem !== undefined && <AccessNote error={now.problem} />}
      <Figures now={now.value} />
      <div className="charts charts-two">
        {load.status === 'ready' && <LoadCharts samples={load.value} />}
        <QualityNow now={now.value} />
        <Troubles now={now.value} />
      </div>
    </>
  );
}

function Figures({ now: { node, sessions, performance } }: { now: SystemMetrics }) {
  const figures: [string, string][] = [
    ['Rooms', count(node.rooms)],
    ['Participants', count(node.participants)],
    ['Sessions until now', count(sessions.total)],
    ['Average session', duration(sessions.avgDuration)],
    ['Processor', percent(performance.cpuUsage)],
    ['Memory', bytes(performance.memoryUsage)],
    ['Network', bitrate(performance.networkBandwidth)],
    ['On disk', bytes(performance.diskUsage)],
    ['Running for', duration(node.uptime_s)],
    ['Node', `${node.id}, version ${node.version}${node.able ? '' : ', takes no rooms'}`],
  ];
  return (
    <dl className="figures" data-testid="admin-figures">
      {figures.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function LoadCharts({ samples }: { samples: readonly LoadSample[] }) {
  const points = (value: (sample: LoadSample) => number | null): Point[] =>
    samples.map((sample) => ({ at: sample.at, value: value(sample) }));
  return (
    <>
      <LineChart
        title="Participants and rooms"
        series={[
          { name: 'Participants', points: points((one) => one.participants) },
          { name: 'Rooms', points: points((one) => one.rooms) },
        ]}
        format={count}
        least={4}
      />
      <LineChart
        title="Processor"
        series={[{ name: 'Processor', points: points((one) => one.cpuUsage) }]}
        format={percent}
        least={100}
      />
      <LineChart
        title="Network"
        series={[{ name: 'Network', points: points((one) => one.networkBandwidth) }]}
        format={bitrate}
        least={1_000_000}
      />
      <LineChart
        title="Memory"
        series={[{ name: 'Memory', points: points((one) => one.memoryUsage) }]}
        format={bytes}
        least={100_000_000}
      />
    </>
  );
}

function QualityNow({ now: { sessions } }: { now: SystemMetrics }) {
  const { excellent, good, fair, poor } = sessions.qualityDistribution;
  return (
    <Distribution
      title="Connections now"
      parts={[
        { name: 'Excellent', count: excellent, tone: 'best' },
        { name: 'Good', count: good, tone: 'good' },
        { name: 'Fair', count: fair, tone: 'fair' },
        { name: 'Poor', count: poor, tone: 'poor' },
      ]}
    />
  );
}

function Troubles({ now: { errors } }: { now: SystemMetrics }) {
  const rows: [string, number][] = [
    ['Calls of the last day without media', errors.connectionFailures],
    ['Sounds held back now', errors.audioIssues],
    ['Pictures held back now', errors.videoIssues],
    ['Events and samples lost since the start', errors.systemErrors],
  ];
  return (
    <figure className="chart">
      <figcaption>
        <span>Troubles</span>
      </figcaption>
      <dl className="facts">
        {rows.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{count(value)}</dd>
          </div>
        ))}
      </dl>
    </figure>
  );
}

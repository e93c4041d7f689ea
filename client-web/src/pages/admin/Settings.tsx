import { account } from '../../account/account';
import { history } from '../../api/history';
import { settingGroups } from '../../state/settings';
import { AccessNote } from '../../ui/AccessNote';
import { useLoad } from '../../ui/useLoad';
import { Opening } from '../Opening';

const ask = () => account.ask(history.settings);

/** What the server was told, as it understood it. Secrets say only whether they are set. */
export function Settings() {
  const [settings] = useLoad(ask);
  if (settings.status === 'failed') return <AccessNote error={settings.error} />;
  if (settings.status === 'waiting') return <Opening text="Asking the server…" />;
  return (
    <div className="settings" data-testid="admin-settings-list">
      {settingGroups(settings.value).map(({ name, settings: rows }) => (
        <section key={name} className="card" aria-label={name}>
          <h2>
            <code>{name === '' ? 'general' : `[${name}]`}</code>
          </h2>
          <dl className="facts">
            {rows.map(({ key, value }) => (
              <div key={key}>
                <dt>
                  <code>{key}</code>
                </dt>
                <dd>{value}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </div>
  );
}

import { expect, it } from 'vitest';
import { settingGroups } from './settings';

it('a tree of settings is read as the tables of its file', () => {
  expect(
    settingGroups({
      dev: false,
      http: { trusted_proxies: ['::1', '10.0.0.0/8'], admin_listen: null },
      accounts: { enabled: true, oidc: { client_secret: 'set' } },
    }),
  ).toEqual([
    { name: '', settings: [{ key: 'dev', value: 'no' }] },
    {
      name: 'http',
      settings: [
        { key: 'trusted_proxies', value: '::1, 10.0.0.0/8' },
        { key: 'admin_listen', value: 'not set' },
      ],
    },
    { name: 'accounts', settings: [{ key: 'enabled', value: 'yes' }] },
    { name: 'accounts.oidc', settings: [{ key: 'client_secret', value: 'set' }] },
  ]);
  expect(settingGroups('nonsense')).toEqual([]);
});

/** People who sign in: an operator, somebody whose rooms last, and guests, on a server as it runs outside. */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';

import { Person, hook } from '../harness/call.mjs';
import { until } from '../harness/poll.mjs';
import { Provider } from '../harness/provider.mjs';
import { freePort, Server } from '../harness/server.mjs';
import { browser, closePages } from '../harness/suite.mjs';

const PASSWORDS = { ruth: 'correct horse battery', ada: 'staple of the lovelaces' };

/** @type {Server} */ let house;
/** @type {Provider} */ let provider;

before(async () => {
  provider = await Provider.start();
  // A provider sends browsers back to one address only, so the port has to be known before.
  const listen = `127.0.0.1:${await freePort('127.0.0.1')}`;
  house = await Server.start({
    dev: false,
    listen,
    env: {
      SLUICE_KEYS: `e2e: ${'not-a-secret'.repeat(4)}`,
      SLUICE_HTTP__BEHIND_PROXY: 'true',
      SLUICE_HTTP__PUBLIC_URL: `http://${listen}`,
      SLUICE_ROOMS__OPEN: 'true',
      SLUICE_ROOMS__DEPARTURE_TIMEOUT_S: '1',
      SLUICE_ACCOUNTS__ENABLED: 'true',
      ...provider.settings('Example ID'),
    },
  });
  add('ruth', 'Ruth', ['--role', 'admin']);
  add('ada', 'Ada');
});
after(async () => {
  const code = await house?.stop();
  await provider?.stop();
  assert.equal(code, 0, 'the server ends well');
});

/** An operator makes an account on the command line, while the server runs. */
function add(login, name, more = []) {
  const input = `${PASSWORDS[login]}\n`;
  house.command(['user', 'add', login, '--name', name, '--password-stdin', ...more], input);
}

/** Somebody new at a page of the server. @param {string} path */
const at = async (path) => (await browser('chromium')).open(house.url + path);

async function type(page, login, password) {
  await page.fill(hook('sign-in-login'), login);
  await page.fill(hook('sign-in-password'), password);
  await page.click(hook('sign-in-submit'));
}

/** A page of somebody who has signed in. */
async function signedIn(login) {
  const page = await at('/signin');
  await type(page, login, PASSWORDS[login]);
  await page.sees(hook('account-menu'));
  return page;
}

/** Which page one is on. */
const path = (page) => page.evaluate(() => location.pathname);
const reaches = (page, where) =>
  until(`the page is ${where}`, async () => (await path(page)) === where);

/** Makes a room on the home page and enters it. @param {{ options?: string[], password?: string }} [how] */
async function opens(page, name, { options = [], password } = {}) {
  if (options.length || password) await page.click(`${hook('home-options')} summary`);
  for (const option of options) await page.click(hook(`home-${option}`));
  if (password) await page.fill(hook('home-password'), password);
  await page.click(hook('home-create'));
  const host = await joins(page, name);
  await host.isInCall();
  return { host, room: (await path(page)).split('/').at(-1) };
}

/** Asks to come in, from the page before a call. @param {{ password?: string }} [how] */
async function joins(page, name, { password } = {}) {
  await page.fill(hook('prejoin-name'), name);
  if (password) await page.fill(hook('prejoin-password'), password);
  await page.click(hook('prejoin-join'));
  return new Person(page, name);
}

/** Chooses from the menu that a host has for somebody. */
async function choose(host, guest, action) {
  const row = `${hook('people-row')}[data-identity="${guest.identity}"]`;
  if (!(await host.page.count(row))) await host.page.click(hook('control-people'));
  await host.page.click(`${row} ${hook('person-menu')}`);
  await host.page.click(hook(`host-${action}`));
}

/** The pass that a page was last given, with which it went to the media server. */
function passes(page) {
  const given = { pass: /** @type {{ token: string, url: string } | undefined} */ (undefined) };
  page.raw.on('response', async (response) => {
    const asked = new URL(response.url()).pathname;
    if (!/^\/api\/rooms\/[^/]+\/(join|lobby\/[^/]+)$/.test(asked)) return;
    // An answer whose page has gone cannot be read any more.
    const body = await response.json().catch(() => undefined);
    if (body?.token) given.pass = body;
  });
  return given;
}

describe('signing in', () => {
  afterEach(closePages);

  it('a wrong password is said to be wrong, the right one leads in, and signing out ends it', async () => {
    const page = await at('/');
    await page.click(hook('sign-in-link'));
    await type(page, 'ada', 'not her password');
    await until('the page says so', async () =>
      /password/i.test((await page.text('.field-error')) ?? ''),
    );
    assert.equal(await path(page), '/signin');
    await page.fill(hook('sign-in-password'), PASSWORDS.ada);
    await page.click(hook('sign-in-submit'));
    await page.sees(hook('account-menu'));
    await reaches(page, '/');

    await page.reload();
    await page.sees(hook('account-menu'));
    await page.click(hook('account-menu'));
    await page.click(hook('sign-out'));
    await page.sees(hook('sign-in-link'));
    await page.reload();
    await page.sees(hook('sign-in-link'));
  });

  it('leads to where one wanted to go', async () => {
    const page = await at('/sessions');
    await page.click(`${hook('access-note')}[data-status="401"] a`);
    await type(page, 'ada', PASSWORDS.ada);
    await reaches(page, '/sessions');
    await page.losesSight(hook('access-note'));
  });

  it('by the provider, who is asked on its own page', async () => {
    const page = await at('/sessions');
    await page.click(`${hook('access-note')} a`);
    await page.click(hook('sign-in-provider'));
    await page.fill('[name="who"]', 'Grace');
    await page.click('button');
    await page.sees(hook('download-csv'));
    await page.click(hook('account-menu'));
    await until('it is her', async () => /Grace/.test((await page.text('[role="menu"]')) ?? ''));
    assert.equal(await page.count(hook('menu-admin')), 0);
    // The cookie is there to stay.
    await page.reload();
    await page.sees(hook('account-menu'));
    assert.match(house.command(['user', 'list']), /grace/);
  });

  it('whoever does not want to at the provider is back, and told', async () => {
    const page = await at('/signin');
    await page.click(hook('sign-in-provider'));
    await page.click('button');
    await page.sees(hook('sign-in-login'));
    await until('the page says so', async () =>
      /provider did not let you in/.test((await page.text('[role="alert"]')) ?? ''),
    );
  });
});

describe('a room of somebody with an account', () => {
  afterEach(closePages);

  it('lasts: its owner is its host again, from any browser', async () => {
    const { host, room } = await opens(await signedIn('ada'), 'Ada', { options: ['lasting'] });
    await host.page.click(hook('control-leave'));
    await host.page.sees(hook('left-screen'));
    await until('nobody holds it open', async () => {
      const { body } = await house.api(`/rooms/${room}`);
      return body.live === false;
    });
    const elsewhere = await signedIn('ada');
    await elsewhere.goto(`${house.url}/r/${room}`);
    const again = await joins(elsewhere, 'Ada');
    await again.isInCall();
    await again.page.sees(hook('control-host'));
    const guest = await joins(await at(`/r/${room}`), 'Ben');
    await guest.isInCall();
    assert.equal(await guest.page.count(hook('control-host')), 0);
  });

  it('has a lobby: a guest waits, comes in, is muted, removed, and does not return with the old pass', async () => {
    const { host, room } = await opens(await signedIn('ada'), 'Ada', {
      options: ['lasting', 'lobby'],
    });
    const door = await at(`/r/${room}`);
    const given = passes(door);
    const ben = await joins(door, 'Ben');
    await ben.page.sees(`${hook('lobby-page')}[data-position="1"]`);
    await host.page.click(hook('control-people'));
    await host.page.click(hook('lobby-admit'));
    await ben.isInCall();
    await host.hears(ben);

    await choose(host, ben, 'mute-microphone');
    await ben.page.sees(`${hook('control-mic')}[data-on="false"]`);
    await host.page.sees(host.tileOf(ben, '[data-muted="true"]'));

    await choose(host, ben, 'remove');
    await host.page.click(hook('remove-keep-out'));
    await host.page.click(hook('remove-confirm'));
    await ben.page.sees(`${hook('failure')}[data-kind="removed"]`);
    await host.page.losesSight(host.tileOf(ben));

    assert.ok(given.pass, 'the page was given a pass');
    const refusal = await ben.page.evaluate(
      ({ url, token }) =>
        window.sluice.room.connect(url, token).then(
          () => 'let in',
          (error) => String(error),
        ),
      given.pass,
    );
    assert.notEqual(refusal, 'let in');
    const back = await joins(await ben.page.reload().then(() => ben.page), 'Ben');
    await back.page.sees(`${hook('failure')}[data-kind="banned"]`);

    await host.page.click(hook('control-leave'));
    await host.page.sees(hook('left-screen'));
    await until('nobody holds the room open', async () => {
      const { body } = await house.api(`/rooms/${room}`);
      return body.live === false;
    });
    await host.page.goto(`${house.url}/sessions`);
    await host.page.fill('[name="room"]', room);
    await host.page.click('[role="search"] button');
    await until(
      'it is the only one',
      async () => (await host.page.count(hook('session-row'))) === 1,
    );
    assert.match((await host.page.text(hook('session-row'))) ?? '', /ended/);
    await host.page.click(`${hook('session-row')} a`);
    await until('both were there', async () => (await host.page.count(hook('stay-row'))) === 2);
    const facts = (await host.page.text(hook('session-facts'))) ?? '';
    assert.match(facts, /Lasted\d+ (s|min)/);
    const stays = await host.page.evaluate(() =>
      [...document.querySelectorAll('[data-testid="stay-row"]')].map((row) => row.textContent),
    );
    for (const name of ['Ada', 'Ben']) {
      const stay = stays.find((text) => text.startsWith(name));
      assert.match(stay ?? '', /\d+ (s|min)/, `how long ${name} stayed`);
    }
    assert.match(stays.find((text) => text.startsWith('Ben')) ?? '', /participant removed/);
  });

  it('asks guests for its password', async () => {
    const { host, room } = await opens(await signedIn('ada'), 'Ada', { password: 's3cret' });
    const ben = await joins(await at(`/r/${room}`), 'Ben', { password: 'wrong' });
    await until('the wrong password is told', async () =>
      /not the password/.test((await ben.page.text('.field-error')) ?? ''),
    );
    await ben.page.fill(hook('prejoin-password'), 's3cret');
    await ben.page.click(hook('prejoin-join'));
    await ben.isInCall();
    await host.page.sees(host.tileOf(ben));
  });

  it('is closed to guests where it is for people with an account', async () => {
    const { room } = await opens(await signedIn('ada'), 'Ada', { options: ['members-only'] });
    const guest = await joins(await at(`/r/${room}`), 'Ben');
    await guest.page.sees(`${hook('failure')}[data-kind="sign_in_required"]`);
    const ruth = await signedIn('ruth');
    await ruth.goto(`${house.url}/r/${room}`);
    await (await joins(ruth, 'Ruth')).isInCall();
  });
});

describe('the pages of a server', () => {
  afterEach(closePages);

  it('the dashboard is for administrators', async () => {
    const ruth = await signedIn('ruth');
    await ruth.click(hook('account-menu'));
    await ruth.click(hook('menu-admin'));
    await ruth.sees(hook('admin-figures'));
    await ruth.click(hook('admin-users'));
    await ruth.sees(`${hook('user-row')}[data-login="ada"]`);

    const ada = await signedIn('ada');
    await ada.click(hook('account-menu'));
    await ada.sees(hook('menu-sessions'));
    assert.equal(await ada.count(hook('menu-admin')), 0);
    await ada.goto(`${house.url}/admin`);
    await ada.sees(`${hook('access-note')}[data-status="403"]`);
    assert.equal(await ada.count(hook('admin-figures')), 0);

    const guest = await at('/admin');
    await guest.sees(`${hook('access-note')}[data-status="401"]`);
  });

  it('an administrator makes an account, and locks it out at once', async () => {
    const ruth = await signedIn('ruth');
    await ruth.goto(`${house.url}/admin/users`);
    await ruth.click(hook('user-add'));
    await ruth.fill(hook('user-login'), 'kim');
    await ruth.fill(hook('user-password'), 'kim and the horses');
    await ruth.click(hook('user-confirm'));
    await ruth.sees(`${hook('user-row')}[data-login="kim"]`);

    const kim = await at('/signin');
    await type(kim, 'kim', 'kim and the horses');
    await kim.sees(hook('account-menu'));
    house.command(['user', 'disable', 'kim']);
    await kim.goto(`${house.url}/sessions`);
    await kim.sees(`${hook('access-note')}[data-status="401"]`);
  });
});

/** Rooms under control: who gets in, who steers, what is kept, and what an operator sees of it. */
import assert from 'node:assert/strict';
import { after, afterEach, describe, it } from 'node:test';

import { hook } from '../harness/call.mjs';
import { until } from '../harness/poll.mjs';
import { hosted, knock } from '../harness/rooms.mjs';
import { browser, closePages, server } from '../harness/suite.mjs';

/** A host and a guest in a room without a door. */
async function pair(options) {
  const { host, room } = await hosted('Ada', options);
  const guest = await knock(room, 'Ben');
  await guest.isInCall();
  await host.page.sees(host.tileOf(guest));
  return { host, guest, room };
}

const row = (person) => `${hook('people-row')}[data-identity="${person.identity}"]`;

/** Chooses from the menu that a host has for somebody. */
async function choose(host, guest, action) {
  if (!(await host.page.count(row(guest)))) await host.page.click(hook('control-people'));
  await host.page.click(`${row(guest)} ${hook('person-menu')}`);
  await host.page.click(hook(`host-${action}`));
}

const reads = (person, text) =>
  until(`${person.name} reads "${text}"`, () =>
    person.page.evaluate(
      (text) =>
        [...document.querySelectorAll('[data-testid="chat-message"]')].some((line) =>
          line.textContent.includes(text),
        ),
      text,
    ),
  );

describe('the way in', () => {
  afterEach(closePages);

  it('a password is asked for where it can be typed, and its host needs none', async () => {
    const { host, room } = await hosted('Ada', { password: 's3cret' });
    const ben = await knock(room, 'Ben', { password: 'wrong' });
    await until('the wrong password is told', async () =>
      /not the password/.test((await ben.page.text('.field-error')) ?? ''),
    );
    await ben.page.fill(hook('prejoin-password'), 's3cret');
    await ben.page.click(hook('prejoin-join'));
    await ben.isInCall();
    await host.page.sees(host.tileOf(ben));
  });

  it('who waits in the lobby comes in when the host says so, or is told', async () => {
    const { host, room } = await hosted('Ada', { options: ['lobby'] });
    const ben = await knock(room, 'Ben');
    await ben.page.sees(`${hook('lobby-page')}[data-position="1"]`);
    const eve = await knock(room, 'Eve');
    await eve.page.sees(`${hook('lobby-page')}[data-position="2"]`);
    await host.page.click(hook('control-people'));
    await until(
      'both are at the door',
      async () => (await host.page.count(hook('lobby-row'))) === 2,
    );
    await host.page.click(`${hook('lobby-row')}:nth-child(1) ${hook('lobby-admit')}`);
    await ben.isInCall();
    await until('one is left', async () => (await host.page.count(hook('lobby-row'))) === 1);
    await host.page.click(hook('lobby-refuse'));
    await eve.page.sees(`${hook('failure')}[data-kind="lobby_refused"]`);
  });

  it('who leaves the line is gone from it', async () => {
    const { host, room } = await hosted('Ada', { options: ['lobby'] });
    const ben = await knock(room, 'Ben');
    await host.page.click(hook('control-people'));
    await host.page.sees(hook('lobby-row'));
    await ben.page.click(hook('lobby-withdraw'));
    await host.page.losesSight(hook('lobby-row'));
    await ben.page.sees(hook('prejoin-join'));
  });

  it('a locked room takes nobody new, and everybody sees that it is', async () => {
    const { host, guest, room } = await pair();
    await host.page.click(hook('control-host'));
    await host.page.click(hook('host-lock'));
    await guest.page.sees(hook('room-locked'));
    const late = await knock(room, 'Late');
    await late.page.sees(`${hook('failure')}[data-kind="room_locked"]`);
  });
});

describe('a host', () => {
  afterEach(closePages);

  it('mutes somebody, and may only ask to unmute', async () => {
    const { host, guest } = await pair();
    await host.hears(guest);
    await choose(host, guest, 'mute-microphone');
    await guest.page.sees(`${hook('control-mic')}[data-on="false"]`);
    await host.page.sees(host.tileOf(guest, '[data-muted="true"]'));
    await choose(host, guest, 'ask-microphone');
    await guest.page.click(hook('unmute-accept'));
    await host.page.sees(host.tileOf(guest, '[data-muted="false"]'));
    await host.hears(guest);
  });

  it('removes somebody and keeps them out', async () => {
    const { host, guest } = await pair();
    await choose(host, guest, 'remove');
    await host.page.click(hook('remove-keep-out'));
    await host.page.click(hook('remove-confirm'));
    await guest.page.sees(`${hook('failure')}[data-kind="removed"]`);
    await host.page.losesSight(host.tileOf(guest));
    await guest.page.reload();
    await guest.page.fill(hook('prejoin-name'), 'Ben');
    await guest.page.click(hook('prejoin-join'));
    await guest.page.sees(`${hook('failure')}[data-kind="banned"]`);
  });

  it('makes a host of somebody, who can do what hosts do at once, and no more when not', async () => {
    const { host, guest } = await pair();
    assert.equal(await guest.page.count(hook('control-host')), 0);
    await choose(host, guest, 'role');
    await guest.page.sees(hook('control-host'));
    await choose(guest, host, 'mute-microphone');
    await host.page.sees(`${hook('control-mic')}[data-on="false"]`);
    await choose(host, guest, 'role');
    await guest.page.losesSight(hook('control-host'));
  });

  it('ends the call for all', async () => {
    const { host, guest } = await pair();
    await host.page.click(hook('control-host'));
    await host.page.click(hook('host-end'));
    await host.page.click(hook('host-end-confirm'));
    await guest.page.sees(`${hook('failure')}[data-kind="room_ended"]`);
    await host.page.sees(`${hook('failure')}[data-kind="room_ended"]`);
  });
});

describe('everybody', () => {
  afterEach(closePages);

  it('raises a hand, in an order that all see; a host lowers it', async () => {
    const { host, guest } = await pair();
    await guest.page.click(hook('control-hand'));
    await host.page.sees(`${host.tileOf(guest)} ${hook('tile-hand')}[data-turn="1"]`);
    await host.page.click(hook('control-hand'));
    await guest.page.sees(`${guest.tileOf(host)} ${hook('tile-hand')}[data-turn="2"]`);
    await choose(host, guest, 'lower_hand');
    await guest.page.sees(`${hook('control-hand')}[data-on="false"]`);
    await guest.page.sees(`${guest.tileOf(host)} ${hook('tile-hand')}[data-turn="1"]`);
  });

  it('sends reactions', async () => {
    const { host, guest } = await pair();
    await guest.page.click(hook('control-react'));
    await guest.page.click(hook('react-applause'));
    await host.page.sees(hook('reaction'));
  });

  it('reads what was written before, in a room that keeps its chat', async () => {
    const { host, room } = await hosted('Ada', { options: ['keeps-chat'] });
    await host.page.click(hook('control-chat'));
    await host.page.fill(hook('chat-input'), 'The plan is on the table');
    await host.page.click(hook('chat-send'));
    await reads(host, 'The plan is on the table');
    const ben = await knock(room, 'Ben');
    await ben.isInCall();
    await ben.page.click(hook('control-chat'));
    await reads(ben, 'The plan is on the table');
    await ben.page.sees(hook('chat-kept'));
    await host.page.click(hook('chat-delete'));
    await ben.page.losesSight(hook('chat-message'));
  });
});

describe('afterwards', () => {
  after(closePages);

  it('the session is in the history, with who was in it', async () => {
    const { guest, room } = await pair();
    await guest.page.click(hook('control-leave'));
    await guest.page.sees(hook('left-screen'));
    // Rooms of the tests before end meanwhile: the newest is not always this one.
    const { body } = await (await server()).api(`/sessions?room=${room}`);
    const [{ session_id: session }] = body.sessions;
    const page = await (await browser('chromium')).open(`${(await server()).url}/sessions`);
    await page.click(`${hook('session-row')}[data-session="${session}"] a`);
    await until('both were there', async () => (await page.count(hook('stay-row'))) === 2);
    assert.match((await page.text(hook('session-facts'))) ?? '', /going on/);
  });

  it('the dashboard shows rooms, load, events and settings', async () => {
    const { url } = await server();
    const page = await (await browser('chromium')).open(`${url}/admin`);
    await until('participants are counted', async () =>
      /Participants\s*[1-9]/.test((await page.text(hook('admin-figures'))) ?? ''),
    );
    await page.click(hook('admin-rooms'));
    await page.sees(hook('admin-room'));
    await page.click(hook('admin-events'));
    await page.sees(`${hook('event-row')}[data-kind="participant_left"]`);
    await page.click(hook('admin-settings'));
    await page.sees(hook('admin-settings-list'));
  });

  it('the API is described on a page of its own', async () => {
    const page = await (await browser('chromium')).open(`${(await server()).url}/docs/api`);
    await page.sees(hook('api-reference'));
    assert.ok((await page.count(hook('operation'))) > 10);
  });
});

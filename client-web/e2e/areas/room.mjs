/** What people do in a room: come in by the front door, chat, mute, share, reload, leave. */
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';

import { Person, enter, hook } from '../harness/call.mjs';
import { until } from '../harness/poll.mjs';
import { browser, closePages, server } from '../harness/suite.mjs';

async function pair() {
  const room = await (await server()).room();
  const chromium = await browser('chromium');
  const ada = await enter(chromium, await server(), room, 'Ada');
  const ben = await enter(chromium, await server(), room, 'Ben');
  await ada.page.sees(ada.tileOf(ben));
  await ben.page.sees(ben.tileOf(ada));
  return { room, ada, ben };
}

describe('a room', () => {
  afterEach(closePages);

  it('is made on the home page and joined through its link', async () => {
    const chromium = await browser('chromium');
    const { url } = await server();
    const first = await chromium.open(url);
    await first.fill(hook('home-room-name'), 'Weekly');
    await first.click(hook('home-create'));
    await first.fill(hook('prejoin-name'), 'Ada');
    await first.sees(`${hook('prejoin-preview')}[data-camera="on"]`);
    await first.click(hook('prejoin-join'));
    const ada = new Person(first, 'Ada');
    await ada.isInCall();

    const link = await first.evaluate(() => location.href);
    assert.match(link, /\/r\/[a-z0-9]{8}$/);
    const second = await (await browser('firefox')).open(url);
    await second.fill(hook('home-join-input'), link);
    await second.click(hook('home-join'));
    await second.fill(hook('prejoin-name'), 'Ben');
    await second.click(hook('prejoin-join'));
    const ben = new Person(second, 'Ben');
    await ben.isInCall();
    await Promise.all([ada.watches(ben), ben.watches(ada)]);
    assert.match((await first.text(ada.tileOf(ben))) ?? '', /Ben/);
  });

  it('carries chat both ways', async () => {
    const { ada, ben } = await pair();
    const say = async (person, text) => {
      if (!(await person.page.count(hook('chat-input'))))
        await person.page.click(hook('control-chat'));
      await person.page.fill(hook('chat-input'), text);
      await person.page.click(hook('chat-send'));
    };
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
    await say(ada, 'Hello Ben 👋');
    await ben.page.click(hook('control-chat'));
    await reads(ben, 'Hello Ben 👋');
    await say(ben, 'Hello Ada');
    await reads(ada, 'Hello Ada');
  });

  it('shows a mute to the others', async () => {
    const { ada, ben } = await pair();
    await ben.hears(ada);
    await ada.page.click(hook('control-mic'));
    await ben.page.sees(ben.tileOf(ada, '[data-muted="true"]'));
    await ada.page.click(hook('control-mic'));
    await ben.page.sees(ben.tileOf(ada, '[data-muted="false"]'));
    await ben.hears(ada);
  });

  it('shows a camera that is turned off and on again', async () => {
    const { ada, ben } = await pair();
    await ben.watches(ada);
    await ada.page.click(hook('control-camera'));
    await ben.page.sees(ben.tileOf(ada, '[data-video="false"]'));
    await ada.page.click(hook('control-camera'));
    await ben.page.sees(ben.tileOf(ada, '[data-video="true"]'));
    await ben.watches(ada);
  });

  it('carries a shared screen beside the camera', async () => {
    const { ada, ben } = await pair();
    await ada.page.click(hook('control-share'));
    await ben.page.sees(ben.tileOf(ada, '[data-source="screen_share"]'));
    await ben.watches(ada, 'screen_share');
    await ben.watches(ada, 'camera');
    await ada.page.click(hook('control-share'));
    await ben.page.losesSight(ben.tileOf(ada, '[data-source="screen_share"]'));
    await ben.watches(ada, 'camera');
  });

  it('takes a reloaded page back as the same person', async () => {
    const { ada, ben } = await pair();
    const { identity } = ada;
    await ada.page.reload();
    await ada.isInCall();
    assert.equal(ada.identity, identity);
    await Promise.all([ben.watches(ada), ada.watches(ben)]);
    await until('there are two of them', async () => (await ben.page.count(hook('tile'))) === 2);
  });

  it('takes back who left and rejoins', async () => {
    const { ada, ben } = await pair();
    await ada.page.click(hook('control-leave'));
    await ada.page.sees(hook('left-screen'));
    await ben.page.losesSight(ben.tileOf(ada));
    await ada.page.click(hook('left-rejoin'));
    await ada.isInCall();
    await Promise.all([ben.watches(ada), ada.watches(ben)]);
  });

  it('is seen empty when all have left', async () => {
    const { room, ada, ben } = await pair();
    const people = async () => (await (await server()).api(`/rooms/${room}`)).body.num_participants;
    await until('two people are in', async () => (await people()) === 2);
    await ada.page.click(hook('control-leave'));
    await until('one is left', async () => (await people()) === 1);
    // A closed tab says nothing: its connection ends.
    await ben.page.close();
    await until('nobody is left', async () => (await people()) === 0);
  });

  it('shows who is in it and who speaks', async () => {
    const room = await (await server()).room();
    // Firefox's fake microphone hums; Chromium's only beeps, too rarely to count as speech.
    const ada = await enter(await browser('firefox'), await server(), room, 'Ada');
    const ben = await enter(await browser('chromium'), await server(), room, 'Ben');
    await ben.page.sees(ben.tileOf(ada, '[data-speaking="true"]'));
    await ben.page.click(hook('control-people'));
    await ben.page.sees(`${hook('people-row')}[data-identity="${ada.identity}"]`);
    await ben.page.sees(`${hook('people-row')}[data-identity="${ben.identity}"]`);
    await ada.page.click(hook('control-mic'));
    await ben.page.sees(ben.tileOf(ada, '[data-speaking="false"]'));
  });
});

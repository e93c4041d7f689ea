/** The picture of the room page in the README: `SLUICE_UPDATE_PICTURE=1 npm test -- picture`. */
import assert from 'node:assert/strict';
import { mkdir, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { enter, hook } from '../harness/call.mjs';
import { until } from '../harness/poll.mjs';
import { browser, closePages, server } from '../harness/suite.mjs';

const update = process.env.SLUICE_UPDATE_PICTURE === '1';
const committed = fileURLToPath(new URL('../../../docs/room.png', import.meta.url));

/** An empty screenshot of that size is a few kilobytes. */
const MIN_BYTES = 30_000;

/**
 * Runs in the page: fake cameras that are nicer to look at than the browser's own pattern. Each person sits before a
 * wall of one's own colour.
 */
function paintedCamera() {
  // Colours of the wall and clothes (a hue), of the skin, and of the hair.
  const people = {
    Ada: [265, 'hsl(24 50% 70%)', 'hsl(20 30% 18%)'],
    Ben: [165, 'hsl(22 42% 46%)', 'hsl(20 15% 12%)'],
    Cleo: [25, 'hsl(28 55% 78%)', 'hsl(32 45% 42%)'],
  };
  const [hue, skin, hair] = people[new URLSearchParams(location.search).get('name')];
  const fake = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    const stream = await fake(constraints);
    if (!constraints.video) return stream;
    const canvas = Object.assign(document.createElement('canvas'), { width: 1280, height: 720 });
    const paint = canvas.getContext('2d');
    const draw = () => {
      const sway = Math.sin(performance.now() / 900) * 8;
      const wall = paint.createLinearGradient(0, 0, 1280, 720);
      wall.addColorStop(0, `hsl(${hue} 55% 88%)`);
      wall.addColorStop(1, `hsl(${hue} 45% 66%)`);
      paint.fillStyle = wall;
      paint.fillRect(0, 0, 1280, 720);
      paint.fillStyle = `hsl(${hue + 30} 60% 95% / 0.55)`;
      paint.fillRect(870, 90, 260, 300);
      // Shoulders, neck, head, hair.
      const shape = (fill, x, y, width, height, from = 0, to = 2 * Math.PI) => {
        paint.fillStyle = fill;
        paint.beginPath();
        paint.ellipse(640 + sway + x, y, width, height, 0, from, to);
        paint.fill();
      };
      shape(`hsl(${hue} 40% 32%)`, 0, 800, 330, 290);
      shape(skin, 0, 530, 70, 100);
      shape(hair, 0, 330, 152, 178);
      shape(skin, 0, 370, 122, 152);
      shape(hair, 0, 305, 138, 110, Math.PI, 2 * Math.PI);
      for (const side of [-48, 48]) shape('hsl(24 30% 18%)', side, 365, 10, 12);
      shape('hsl(8 45% 40%)', 0, 440, 38, 18, 0, Math.PI);
    };
    draw();
    setInterval(draw, 1000 / 24);
    stream.getVideoTracks().forEach((track) => {
      stream.removeTrack(track);
      track.stop();
    });
    stream.addTrack(canvas.captureStream(24).getVideoTracks()[0]);
    return stream;
  };
}

/** Runs in the page: how everybody fares, as far as was heard. */
function qualities() {
  const { localParticipant, remoteParticipants } = window.sluice.room;
  const everybody = [localParticipant, ...remoteParticipants.values()];
  return everybody.map((one) => `${one.name} ${one.connectionQuality}`).join(', ');
}

describe('the picture of the room', () => {
  afterEach(closePages);

  it('shows three people', async () => {
    const room = await (await server()).room('Weekly');
    const chromium = await browser('chromium');
    const options = { before: paintedCamera };
    const ada = await enter(chromium, await server(), room, 'Ada', options);
    const ben = await enter(chromium, await server(), room, 'Ben', options);
    const cleo = await enter(chromium, await server(), room, 'Cleo', options);
    await ada.watches(ben);
    await ada.watches(cleo);
    await ben.page.click(hook('control-mic'));
    await ada.page.sees(ada.tileOf(ben, '[data-muted="true"]'));
    // The greetings of who joined go away by themselves.
    await ada.page.losesSight(hook('toast'));
    const wide = (other) => ada.watchesInSize(other, (width) => width >= 480, 'sharp', 30_000);
    await Promise.all([wide(ben), wide(cleo)]);
    await until('qualities are known', async () => {
      if ((await ada.page.count(`${hook('tile')}[data-quality="unknown"]`)) === 0) return true;
      throw new Error(`some are not; the SDK knows ${await ada.page.evaluate(qualities)}`);
    });

    const path = update ? committed : join(tmpdir(), `sluice-room-${process.pid}.png`);
    if (update)
      await mkdir(fileURLToPath(new URL('.', `file://${committed}`)), { recursive: true });
    await ada.page.screenshot(path);
    assert.ok((await stat(path)).size > MIN_BYTES, 'there is something on it');
  });
});

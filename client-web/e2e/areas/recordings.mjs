/** A host records a call; everybody sees it; it plays as soon as it is over, in step, and can be taken away. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { linkSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';

import { isOpenToAll, PHONE } from '../harness/axe.mjs';
import { hook, Person } from '../harness/call.mjs';
import { advances, until } from '../harness/poll.mjs';
import { hosted, knock } from '../harness/rooms.mjs';
import { Server } from '../harness/server.mjs';
import { browser, closePages, server } from '../harness/suite.mjs';

/** Farther than this apart, people see that lips and voice are not of one moment. */
const IN_STEP_S = 0.1;

const open = async (path) => (await browser('chromium')).open((await server()).url + path);

/** Begins or stops recording as a host does. */
async function switchRecording(host) {
  await host.page.click(hook('control-host'));
  await host.page.click(hook('host-record'));
  await host.page.click(hook('record-confirm'));
}

/** More pictures of the other, so many that there is something to look at. */
const watchesLong = (person, other) =>
  advances(
    `${person.name} watches ${other.name}`,
    async () => (await person.track(other, 'camera'))?.framesDecoded,
    { by: 75, limitMs: 60_000 },
  );

/** The recordings of a room, as the API has them. */
const recordingsOf = async (room) =>
  (await (await server()).api(`/recordings?room=${room}`)).body.recordings;

/** A call of two that was recorded and is over: its room and its recording. */
async function recorded(meanwhile = async () => undefined) {
  const { host, room } = await hosted('Ada', { options: ['keeps-chat'] });
  const guest = await knock(room, 'Ben');
  await guest.isInCall();
  await host.watches(guest);
  await switchRecording(host);
  for (const { page } of [host, guest]) await page.sees(hook('room-recording'));
  await meanwhile({ host, guest, room });
  await watchesLong(host, guest);
  await switchRecording(host);
  for (const { page } of [host, guest]) await page.losesSight(hook('room-recording'));
  const [recording] = await recordingsOf(room);
  return { host, guest, room, id: recording.id };
}

/**
 * The pictures of a page at one moment: where each stands in its file and on the clock of the recording, in seconds, and
 * whether they play.
 */
async function pictures(page, manifest) {
  const offsets = Object.fromEntries(
    manifest.tracks.filter(({ kind }) => kind === 'video').map((one) => [one.file, one.offset_us]),
  );
  return page.evaluate(
    ({ offsets, toggle }) => {
      const videos = [
        ...document.querySelectorAll('[data-testid="playback-picture"]:not([hidden]) video'),
      ];
      return {
        played: videos.map((video) => video.currentTime),
        at: videos.map((video) => {
          const file = new URL(video.src).pathname.split('/').at(-1);
          return video.currentTime + offsets[file] / 1e6;
        }),
        isOn: document.querySelector(toggle).ariaLabel === 'Pause',
        play: videos.every((video) => !video.paused),
      };
    },
    { offsets, toggle: hook('playback-toggle') },
  );
}

/** Two pictures, at the same moment of the recording. */
const areInStep = ({ at }) => at.length === 2 && Math.abs(at[0] - at[1]) < IN_STEP_S;

/** Lets a recording play until both of its pictures do, at one moment. */
async function playsInStep(page, manifest) {
  return until('both pictures play, at one moment', async () => {
    const seen = await pictures(page, manifest);
    const { isOn, play, played } = seen;
    if (isOn && play && areInStep(seen) && played.every((seconds) => seconds > 0.5)) return seen;
    // At first; and where it was over before somebody saw it play, it begins anew.
    if (!isOn) await page.click(hook('playback-toggle'));
    throw new Error(JSON.stringify(seen));
  });
}

/** Stops a recording that plays, or is just over. */
const pauses = (page) =>
  until('nothing plays', () =>
    page.evaluate((toggle) => {
      const button = document.querySelector(toggle);
      const stands = button.ariaLabel === 'Play';
      // In the same breath: somebody who looks first and then clicks may begin it anew.
      if (!stands) button.click();
      return stands && [...document.querySelectorAll('video')].every((video) => video.paused);
    }, hook('playback-toggle')),
  );

const manifestOf = async (id) => (await (await server()).api(`/recordings/${id}/manifest`)).body;

describe('a recorded call', () => {
  afterEach(closePages);

  it('plays in step when it is over, and what was written beside it', async () => {
    const { id } = await recorded(async ({ host }) => {
      await host.page.click(hook('control-chat'));
      await host.page.fill(hook('chat-input'), 'Can you all see this?');
      await host.page.click(hook('chat-send'));
      await host.page.sees(hook('chat-message'));
    });

    const page = await open('/recordings');
    await page.click(`${hook('recording-row')}[data-recording="${id}"] a`);
    await page.sees(hook('playback'));
    const manifest = await manifestOf(id);
    assert.equal(manifest.tracks.filter(({ kind }) => kind === 'video').length, 2);

    await playsInStep(page, manifest);
    await pauses(page);

    // Everything that was written is there at the end, and nothing of it at the beginning.
    await page.raw.keyboard.press('End');
    await page.sees(hook('playback-line'));
    assert.match(await page.text(hook('playback-line')), /Can you all see this/);
    await page.raw.keyboard.press('Home');
    await page.losesSight(hook('playback-line'));

    // The first whole second in which both are there: the slider knows no others.
    const begun = Math.max(...manifest.tracks.map((one) => one.offset_us)) / 1e6;
    const second = Math.floor(begun) + 1;
    await page.fill(hook('playback-position'), String(second * 1000));
    await until('both pictures go where one points', async () => {
      const seen = await pictures(page, manifest);
      if (areInStep(seen) && seen.at.every((at) => Math.abs(at - second) < IN_STEP_S)) return true;
      throw new Error(JSON.stringify(seen));
    });
    await until('there are pictures, and not only times', () =>
      page.evaluate(() =>
        [...document.querySelectorAll('.playback video')].every(
          ({ videoWidth, readyState }) => videoWidth > 0 && readyState >= 2,
        ),
      ),
    );
  });

  it('becomes one video when somebody wants that', async () => {
    const { id } = await recorded();
    const page = await open(`/recordings/${id}`);
    await page.click(hook('composite-order'));
    await page.sees(hook('composite-video'), 120_000);
    const seconds = await until('the video can be played', () =>
      page.evaluate(() => document.querySelector('[data-testid="composite-video"]').duration),
    );
    assert.ok(seconds > 2, `it is ${seconds} s long`);
    await isOpenToAll(page, 'a recording and its video');
    await page.raw.emulateMedia({ colorScheme: 'dark' });
    await isOpenToAll(page, 'in dark');
    await page.resize(PHONE);
    await isOpenToAll(page, 'on a phone');
  });

  it('goes on with new addresses when the old ones are refused', async () => {
    const { id } = await recorded();
    const page = await open('/recordings');
    let asked = 0;
    await page.raw.route('**/playback', async (route) => {
      const response = await route.fetch();
      const answer = await response.json();
      // Passes whose time is over: the server itself refuses them.
      if (asked++ === 0) {
        for (const file of answer.files) file.url = file.url.replace(/pass=.*/, 'pass=1.AAAA');
      }
      await route.fulfill({ response, json: answer });
    });
    await page.click(`${hook('recording-row')}[data-recording="${id}"] a`);
    await page.sees(hook('playback'));
    await playsInStep(page, await manifestOf(id));
    assert.equal(asked, 2);
  });

  it('opens by itself on a page that waited for its end', async () => {
    const { host, room } = await hosted('Ada');
    await switchRecording(host);
    await host.page.sees(hook('room-recording'));
    const [{ id }] = await recordingsOf(room);
    const page = await open(`/recordings/${id}`);
    await page.sees(hook('recording-going-on'));
    await until('something was recorded', async () => (await manifestOf(id)).tracks?.length > 0);
    await page.click(hook('recording-stop'));
    await page.click(hook('recording-stop-confirm'));
    await page.sees(hook('playback'));
    await host.page.losesSight(hook('room-recording'));
  });

  it('is taken away, held, and deleted', async () => {
    const { id } = await recorded();
    const page = await open(`/recordings/${id}`);
    await page.sees(hook('playback'));
    const [{ name }] = (await (await server()).api(`/recordings/${id}`)).body.files;
    const download = page.raw.waitForEvent('download');
    await page.click(`[data-file="${name}"] button`);
    assert.ok((await download).suggestedFilename().endsWith(name));

    await page.click(hook('recording-hold'));
    await page.losesSight(hook('recording-delete'));
    await page.click(hook('recording-hold'));
    await page.click(hook('recording-delete'));
    await page.click(hook('recording-delete-confirm'));
    await until('the list is shown', () =>
      page.evaluate(() => location.pathname === '/recordings'),
    );
    await page.losesSight(`[data-recording="${id}"]`);
    assert.equal((await (await server()).api(`/recordings/${id}`)).status, 404);
  });
});

describe('a recorded call of nine', () => {
  const PEOPLE = 9;
  /** Of each file: more than any browser reads ahead, so that a player keeps the connection it has. */
  const FILM_S = 240;
  let own, folder, id;

  /** Nobody could afford to film nine people here for so long: their files are real, and each is given the same film. */
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-recordings-'));
    own = await Server.start({ env: { SLUICE_RECORDINGS__PATH: folder } });
    await own.api('/rooms', { id: 'nine-webinar', recording: { auto: true } });
    const people = `--publishers ${PEOPLE} --subscribers 0 --duration 1s --room nine-`.split(' ');
    own.command(['loadtest', 'webinar', ...people, '--url', own.wsUrl]);
    // Asked again where the first answer is that the connection was idle for too long.
    [{ id }] = await until('it was recorded', async () => {
      const { recordings } = (await own.api('/recordings?room=nine-webinar')).body;
      return recordings.length > 0 && recordings;
    });
    await own.api(`/recordings/${id}/stop`, {});
    await until('the recording is over', async () => {
      const { state } = (await own.api(`/recordings/${id}`)).body;
      return state === 'complete';
    });
    const film = join(folder, 'film.webm');
    makeFilm(film, FILM_S);
    const manifest = join(folder, id, 'manifest.json');
    const said = JSON.parse(readFileSync(manifest, 'utf8'));
    const filmed = { kind: 'video', offset_us: 0, duration_us: FILM_S * 1e6, gaps: [] };
    said.tracks = said.tracks
      .filter(({ kind }) => kind === 'video')
      .map((one) => ({ ...one, ...filmed }));
    said.ended_at = new Date(Date.parse(said.started_at) + FILM_S * 1000).toISOString();
    assert.equal(said.tracks.length, PEOPLE);
    writeFileSync(manifest, JSON.stringify(said));
    for (const { file } of said.tracks) {
      rmSync(join(folder, id, file));
      linkSync(film, join(folder, id, file));
    }
  });
  afterEach(closePages);
  after(async () => {
    await own?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const kind of ['chromium', 'firefox']) {
    it(`shows all of them, over six connections (${kind})`, async () => {
      const page = await (await browser(kind)).open(`${own.url}/recordings/${id}`);
      await page.click(hook('playback-toggle'));
      await allPlay(page, 1, 170);
      // To where nothing was read ahead, and on from there, at double speed, beyond what is read ahead at once.
      for (const key of 'lllllll>>>') await page.raw.keyboard.press(key);
      await allPlay(page, 95, 170);
    });
  }

  /** Each is seen to play between two times; later, players that have read all of their files let go of them anyway. */
  const allPlay = (page, from, to) => {
    const seen = new Set();
    return until(
      `all ${PEOPLE} pictures play between ${from} and ${to} s`,
      async () => {
        // A time alone says nothing: a picture has the one it was sent to, before anything of it is there.
        const playing = await page.evaluate(() =>
          [...document.querySelectorAll('.playback video')].map((video) =>
            video.paused || video.seeking || video.readyState < 3 ? 0 : video.currentTime,
          ),
        );
        playing.forEach((at, one) => at > from && at < to && seen.add(one));
        if (seen.size === PEOPLE) return true;
        throw new Error(`seen: ${[...seen].join(' ')}; they play at ${playing.join(' ')}`);
      },
      90_000,
    );
  };
});

/** A film of 1.4 Mbit/s in a small picture, the same ten seconds again and again: it costs little to make and to play. */
function makeFilm(file, seconds) {
  const scene = `${file}.scene.webm`;
  const source = 'testsrc2=size=320x180:rate=10:duration=10,noise=alls=60:allf=t';
  const rate = ['-b:v', '1400k', '-minrate', '1400k', '-maxrate', '1400k'];
  const codec = ['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '16', '-g', '20'];
  ffmpeg('-f', 'lavfi', '-i', source, ...codec, ...rate, scene);
  const again = ['-stream_loop', String(seconds / 10 - 1)];
  ffmpeg(...again, '-i', scene, '-c', 'copy', '-cues_to_front', '1', file);
}

function ffmpeg(...args) {
  const { status, stderr } = spawnSync('ffmpeg', ['-v', 'error', ...args]);
  assert.equal(status, 0, stderr?.toString());
}

describe('who comes to a recorded call', () => {
  afterEach(closePages);

  it('is told before', async () => {
    const { host, room } = await hosted('Ada');
    await switchRecording(host);
    await host.page.sees(hook('room-recording'));
    const late = await open(`/r/${room}`);
    await late.sees(hook('prejoin-recorded'));
  });

  it('is asked where the room asks, and joins only with an answer', async () => {
    const { status, body } = await (
      await server()
    ).api('/rooms', { name: 'Asking', recording: { consent: true } });
    assert.equal(status, 201);
    const page = await open(`/r/${body.id}`);
    await page.fill(hook('prejoin-name'), 'Ben');
    await page.click(hook('prejoin-join'));
    await until('an answer is asked for', async () =>
      /Choose first/.test((await page.text('.field-error')) ?? ''),
    );
    await page.click(hook('consent-declines'));
    await page.sees(hook('prejoin-home'));
    await page.click(hook('consent-agrees'));
    await page.click(hook('prejoin-join'));
    await new Person(page, 'Ben').isInCall();
  });

  it('is brought to the question by a link that joins at once', async () => {
    const { body } = await (
      await server()
    ).api('/rooms', { name: 'Asking', recording: { consent: true } });
    const page = await open(`/r/${body.id}?join=1&name=Ben`);
    await page.sees(hook('prejoin-consent'));
  });
});

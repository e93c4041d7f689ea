/**
 * Calls of real browsers, recorded in every codec they can send. Somebody with a clapperboard is recorded from the first
 * moment on, and once more from the middle of the call; what is in the files is said by ffmpeg, and what should be in them
 * by the page, which knows when it drew which picture and when it beeped.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as pathOf } from 'node:path';
import { after, afterEach, describe, it } from 'node:test';

import {
  BOARD,
  clapsOf,
  putsClapperDown,
  readBoard,
  takesClapper,
  whatItDid,
} from '../harness/clapper.mjs';
import { decode, pictureAt, play } from '../harness/player.mjs';
import { LIMIT_MS, stalls, until } from '../harness/poll.mjs';
import { WAYS } from '../harness/sdk.mjs';
import { bareRooms, closePages, server } from '../harness/suite.mjs';
import { token } from '../harness/token.mjs';

/** @typedef {import('../harness/sdk.mjs').SdkGuest} SdkGuest */
/** @typedef {Awaited<ReturnType<typeof whatIsSent>>} Sent */

/**
 * How far pictures and sound of one clap are apart: the median of a file, and the most once senders have reported of both.
 * `aim` is what is wanted, and has to be where the page itself drew its pictures in time; `busy` is what is accepted on a
 * machine on which it did not. Both browsers report of sound when a packet leaves, with the timestamp of its begin: 20 ms late
 * at least, and later where they wait for a processor. That is in these figures, and in what a viewer of the call sees as well.
 */
const APART_MS = { median: { aim: 40, busy: 120 }, settled: { aim: 80, busy: 250 } };
/** Of the pictures that are to be 33 ms apart nineteen of twenty are drawn within this, on a machine that has time for it. */
const IN_TIME_MS = 45;
/**
 * A page that draws nothing for so long stood still, and its sound as well, which goes on behind that as if nothing had been: what
 * was before its microphone is not known, and the recording puts it right only by and by. Such a call is made again.
 */
const STANDSTILL_MS = 250;
/** Calls that are made in all: a machine on which pages stand still again and again shows nothing. */
const MOST_CALLS = 3;
/**
 * So long it takes until both were reported of: sound after 2.5 s, and later on a busy machine. Until then pictures lie where
 * they came, so much later than made as their encoder takes.
 */
const SETTLED_MS = 4000;
/** A beep is heard to begin where there was sound before it for so long. */
const HEARD_S = 0.05;
/** How far a file's length may be from what is in it, from the sound that was sent, and from what the manifest says. */
const DURATION_MS = 100;
/** Of the pictures that were encoded, so many at least are in the file. The second begins with a key frame that is asked for. */
const KEPT = 0.8;
/** Claps that are seen and heard in a file, at least. */
const LEAST_CLAPS = 3;

const CODECS = ['vp8', 'vp9', 'av1', 'h264', 'h265'];
/** Claps before the second recording begins, and in all: four seconds of pictures and more. */
const CLAPS = { first: 2, all: 8 };
/** LiveKit's `EncodedFileType`: as the codecs want it, and MP4 where they go into it. */
const FILE_TYPES = { byCodec: 0, mp4: 1 };
/** In which files they are. VP8 and VP9 go into no MP4 of ours. */
const FILES = {
  vp8: ['webm', 'webm'],
  vp9: ['webm', 'webm'],
  av1: ['webm', 'mp4'],
  h264: ['mkv', 'mp4'],
  h265: ['mkv', 'mp4'],
};
const NAMES = { h265: 'hevc' };

const { newRoom, join } = bareRooms('recorded-codecs');
/** Every figure measured, for the end. @type {Record<string, string | number>[]} */
const table = [];

for (const kind of /** @type {const} */ (['chromium', 'firefox'])) {
  describe(`a call from ${kind} is recorded as it was`, () => {
    afterEach(closePages);

    for (const codec of CODECS) {
      it(`in ${codec}`, async (t) => {
        for (let call = 1; ; call++) {
          const made = await makesCall(kind, codec);
          if (made.skipped) return t.skip(made.skipped);
          const standstillMs = Math.max(...pausesOf(made.truth));
          if (standstillMs < STANDSTILL_MS || call === MOST_CALLS) {
            for (const figures of await judgeCall(codec, made))
              table.push({ browser: kind, codec, ...figures });
            return undefined;
          }
          t.diagnostic(`the page stood still for ${Math.round(standstillMs)} ms: once more`);
          await closePages();
        }
      });
    }
  });
}

after(() => {
  if (table.length === 0) return;
  console.table(table);
});

/**
 * Makes a call with a clapperboard, recorded twice.
 *
 * @param {'chromium' | 'firefox'} kind
 * @param {string} codec
 */
async function makesCall(kind, codec) {
  const room = newRoom();
  const ann = await join(room, 'ann', WAYS[0], { kind });
  const codecs = await codecsItSends(ann);
  if (!codecs.includes(codec))
    return { skipped: `this ${kind} says that it sends ${codecs.join(', ')} only` };

  await takesClapper(ann);
  const begins = async (fileType) => {
    const before = await whatIsSent(ann);
    return { id: await record(room, ann, fileType), before };
  };
  const recordings = [await begins(FILE_TYPES.byCodec)];
  await publishes(ann, codec);
  const clapped = async (times) =>
    until(`she claps for time ${times}`, async () => (await clapsOf(ann)) >= times);
  const before = await clapsOf(ann);
  await clapped(before + CLAPS.first);
  recordings.push(await begins(FILE_TYPES.mp4));
  await clapped(before + CLAPS.all);
  await putsClapperDown(ann);
  await stalls('the pictures sent', async () => (await whatIsSent(ann)).frames);
  const sent = await whatIsSent(ann);
  assert.equal(sent.codec, codec);
  const truth = await whatItDid(ann);
  return { recordings, sent, truth };
}

/** Compares the files of both recordings with what was before the camera and the microphone; their figures. */
async function judgeCall(codec, { recordings, sent, truth }) {
  const directory = await mkdtemp(pathOf(tmpdir(), 'sluice-e2e-'));
  const figures = [];
  try {
    for (const [number, { id, before }] of recordings.entries()) {
      const files = await filesOf(id, directory);
      const { path, track } = files.pop();
      // A publisher's first pictures are smaller, which is another file where that is MP4.
      for (const { path } of files) decode(path);
      assert.ok(path.endsWith(`.${FILES[codec][number]}`), path);
      const judged = judge(path, codec, track, { before, sent, truth });
      figures.push({ file: path.split('.').at(-1), ...judged });
    }
  } finally {
    await rm(directory, { recursive: true });
  }
  return figures;
}

/** Between each two pictures of a clapperboard, in milliseconds. */
const pausesOf = ({ drawnMs }) => drawnMs.slice(1).map((ms, index) => ms - drawnMs[index]);

/**
 * Compares a file with what was before the camera and the microphone.
 *
 * @param {string} path
 * @param {string} codec
 * @param {{ lengthMs: number }} track what the manifest says of it
 * @param {{ before: Sent, sent: Sent, truth: Awaited<ReturnType<typeof whatItDid>> }} call what was sent when it was asked for and at the end, and what the clapperboard did
 */
function judge(path, codec, track, { before, sent, truth }) {
  const film = play(path, BOARD);
  assert.deepEqual(film.codecs, { video: NAMES[codec] ?? codec, audio: 'opus' });

  // Each picture says which it is.
  const pictures = film.pictures.map(({ atS, blocks }) => ({
    atMs: atS * 1000,
    ...readBoard(blocks),
  }));
  const numbers = pictures.map(({ number }) => number);
  assert.ok(!numbers.includes(undefined), 'every picture can be read');
  const count = new Set(numbers).size;
  const since = (counter) => sent[counter] - before[counter];
  const encoded = since('frames');
  assert.ok(count >= KEPT * encoded, `${count} of ${encoded} pictures are there`);
  // Of simulcast lower encodings are recorded until the highest is there, so that all that was captured may be in the file,
  // and a picture may be there once more where the encoding changes.
  const others = sent.encodings - 1;
  const most = others === 0 ? encoded : since('sourceFrames') + others;
  assert.ok(numbers.length <= most, `${numbers.length} pictures are there, and ${most} were sent`);

  // Sound that is there without a hole lasts as long as it did for its sender.
  const { fromS, toS, heardS } = film.sound;
  const endS = Math.max(toS, pictures.at(-1).atMs / 1000);
  const off = {
    file: (film.durationS - endS) * 1000,
    sound: (toS - fromS - heardS) * 1000,
    manifest: film.durationS * 1000 - track.lengthMs,
  };
  for (const [what, ms] of Object.entries(off))
    assert.ok(Math.abs(ms) <= DURATION_MS, `${what}: ${ms} ms of ${film.durationS} s`);

  const drawn = (number) => truth.drawnMs[number];
  const lineMs = median(pictures.map(({ atMs, number }) => atMs - drawn(number)));

  const apart = truth.claps.flatMap(({ frame, beepedMs }, index) => {
    const next = truth.claps[index + 1]?.frame ?? Infinity;
    const flash = pictures.find(
      ({ number, isFlash }) => isFlash && number >= frame && number < next,
    );
    // One that sounded already when the recording began, began nobody knows when.
    const beepS = film.beepsS.find(
      (atS) => atS - fromS > HEARD_S && Math.abs(atS * 1000 - lineMs - beepedMs) < 300,
    );
    if (!flash || beepS === undefined) return [];
    // What the flash is late by, less what the beep is late by.
    const ms = flash.atMs - drawn(flash.number) - (beepS * 1000 - beepedMs);
    return [{ atMs: flash.atMs, ms }];
  });
  const inFile = (ms) => Math.round(ms + lineMs);
  const found = {
    claps: truth.claps.map(({ frame, beepedMs }) => [inFile(drawn(frame)), inFile(beepedMs)]),
    flashes: pictures.flatMap(({ atMs, isFlash }) => (isFlash ? [Math.round(atMs)] : [])),
    beeps: film.beepsS.map((atS) => Math.round(atS * 1000)),
    sound: [fromS, toS, heardS],
  };
  assert.ok(
    apart.length >= LEAST_CLAPS,
    `${apart.length} claps are seen and heard: ${JSON.stringify(found)}`,
  );
  const settled = apart.filter(({ atMs }) => atMs > SETTLED_MS).map(({ ms }) => Math.abs(ms));
  const typicalMs = median(apart.map(({ ms }) => ms));
  const farthestMs = Math.max(0, ...settled);
  const pauseMs = quantile(pausesOf(truth), 0.95);
  const limit = pauseMs <= IN_TIME_MS ? 'aim' : 'busy';
  const isTypical = Math.abs(typicalMs) <= APART_MS.median[limit];
  assert.ok(isTypical, `flash and beep are ${typicalMs} ms apart (${limit})`);
  const isNear = farthestMs <= APART_MS.settled[limit];
  const claps = apart.map(({ ms }) => Math.round(ms)).join(' ');
  assert.ok(isNear, `a flash and its beep are ${farthestMs} ms apart (${limit}): ${claps}`);

  // Of two pictures around the middle, a player may show either.
  const middleS = film.durationS / 2;
  const sought = readBoard(pictureAt(path, middleS, BOARD)).number;
  const behind = pictures.findIndex(({ atMs }) => atMs >= middleS * 1000);
  const around = numbers.slice(Math.max(0, behind - 1), behind + 2);
  assert.ok(around.includes(sought), `picture ${sought} is shown in the middle, of ${around}`);

  return {
    pictures: count,
    encoded,
    twice: numbers.length - count,
    length_ms: Math.round(film.durationS * 1000),
    off_ms: Math.round(Math.max(...Object.values(off).map(Math.abs))),
    pause_ms: Math.round(pauseMs),
    apart_ms: Math.round(typicalMs),
    settled_ms: Math.round(farthestMs),
    claps,
  };
}

const quantile = (numbers, part) =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length * part)];
const median = (numbers) => quantile(numbers, 0.5);

/** What this browser can send, by its own word. @param {SdkGuest} guest @returns {Promise<string[]>} */
const codecsItSends = (guest) =>
  guest.does((codecs) => {
    const sendable = RTCRtpSender.getCapabilities('video').codecs;
    return codecs.filter((codec) =>
      sendable.some(({ mimeType }) => mimeType.toLowerCase() === `video/${codec}`),
    );
  }, CODECS);

/** Camera and microphone are the clapperboard's. @param {SdkGuest} guest @param {string} codec */
function publishes(guest, codec) {
  return guest.does(async (codec) => {
    const { camera, microphone } = window.clapper;
    const me = window.sluice.room.localParticipant;
    // In Firefox the SDK sends VP9 and AV1 only where the server allows nothing else.
    me.enabledPublishVideoCodecs = [{ mime: `video/${codec}` }];
    // Sound that is sent all the time can be counted.
    await me.publishTrack(microphone, { source: 'microphone', dtx: false });
    await me.publishTrack(camera, { source: 'camera', videoCodec: codec });
  }, codec);
}

/** What the senders of a page count. @param {SdkGuest} guest */
function whatIsSent(guest) {
  return guest.does(async () => {
    const sent = { codec: '', encodings: 0, frames: 0, sourceFrames: 0 };
    for (const { track } of window.sluice.room.localParticipant.trackPublications.values()) {
      const stats = await track.sender.getStats();
      for (const stat of stats.values()) {
        if (stat.type === 'media-source' && stat.kind === 'video') sent.sourceFrames = stat.frames;
        if (stat.type !== 'outbound-rtp' || stat.kind !== 'video') continue;
        // Of SVC each layer of a picture counts as a frame.
        const layers = Number(/^L(\d)/.exec(stat.scalabilityMode ?? '')?.[1] ?? 1);
        sent.codec = stats.get(stat.codecId).mimeType.slice('video/'.length).toLowerCase();
        sent.encodings += 1;
        sent.frames = Math.max(sent.frames, Math.round(stat.framesSent / layers));
      }
    }
    return sent;
  });
}

/** Records somebody by LiveKit's API, as long as they are there. @param {string} room @param {SdkGuest} guest @param {number} fileType */
async function record(room, guest, fileType) {
  const grants = { video: { roomRecord: true, roomJoin: false } };
  const response = await fetch(
    `${(await server()).url}/twirp/livekit.Egress/StartParticipantEgress`,
    {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${token(room, 'back end', grants)}`,
      },
      body: JSON.stringify({
        room_name: room,
        identity: guest.identity,
        file_outputs: [{ file_type: fileType, filepath: '{room_name}' }],
      }),
    },
  );
  const answer = await response.json();
  assert.equal(response.status, 200, JSON.stringify(answer));
  return answer.egressId;
}

/** The files of a recording that comes to its end, in their order, with what the manifest says of their pictures. */
async function filesOf(id, directory) {
  const sluice = await server();
  await until(
    'the recording is over',
    async () => {
      const { body } = await sluice.api(`/recordings/${id}`);
      if (body.state === 'complete') return true;
      throw new Error(`${body.state}: ${body.reason}`);
    },
    2 * LIMIT_MS,
  );
  const { tracks } = (await sluice.api(`/recordings/${id}/manifest`)).body;
  const names = [...new Set(tracks.map(({ file }) => file))];
  return Promise.all(
    names.map(async (name) => {
      const response = await fetch(`${sluice.url}/api/recordings/${id}/files/${name}`);
      assert.equal(response.status, 200);
      const path = pathOf(directory, `${id}-${name}`);
      await writeFile(path, Buffer.from(await response.arrayBuffer()));
      const its = tracks.filter(({ file }) => file === name);
      const begin = Math.min(...its.map(({ offset_us }) => offset_us));
      const end = Math.max(...its.map(({ offset_us, duration_us }) => offset_us + duration_us));
      return { path, track: { lengthMs: (end - begin) / 1000 } };
    }),
  );
}

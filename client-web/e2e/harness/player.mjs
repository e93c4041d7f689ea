/** Files as others see them: what ffprobe says of a recording, and what ffmpeg decodes of it. */
import { spawnSync } from 'node:child_process';

/** What the pictures and the sound of a minute are, decoded small. */
const MOST_BYTES = 64 * 1024 * 1024;
const LIMIT_MS = 60_000;
const SAMPLE_RATE_HZ = 48_000;

/** @typedef {{ atS: number, blocks: Uint8Array }} Picture */

/**
 * Decodes all of a file of pictures and sound; whatever ffmpeg says to it is an error.
 *
 * @param {string} path
 * @param {{ columns: number, rows: number }} board pictures are given as the mean brightness of so many blocks
 */
export function play(path, { columns, rows }) {
  const entries =
    'stream=codec_name,codec_type:format=duration:frame=media_type,pts_time,nb_samples';
  const probed = run('ffprobe', ['-v', 'error', '-show_entries', entries, '-of', 'json', path]);
  const { streams, format, frames } = JSON.parse(probed.output[1].toString());
  const codecs = Object.fromEntries(
    streams.map(({ codec_type, codec_name }) => [codec_type, codec_name]),
  );
  const of = (type) => frames.filter(({ media_type }) => media_type === type);
  const [shown, heard] = [of('video'), of('audio')];

  const decoded = run('ffmpeg', [
    ...['-v', 'warning', '-xerror', '-err_detect', 'explode', '-i', path],
    ...['-map', '0:v', ...blocksOf(columns, rows), 'pipe:1'],
    ...['-map', '0:a', '-ac', '1', '-ar', String(SAMPLE_RATE_HZ), '-f', 's16le', 'pipe:3'],
  ]);
  const [, pictures, , sound] = decoded.output;
  const size = columns * rows;
  if (pictures.length !== shown.length * size)
    throw new Error(`ffprobe counts ${shown.length} pictures, ffmpeg ${pictures.length / size}`);
  return {
    codecs,
    durationS: Number(format.duration),
    /** @type {Picture[]} */
    pictures: shown.map(({ pts_time }, n) => ({
      atS: Number(pts_time),
      blocks: pictures.subarray(n * size, (n + 1) * size),
    })),
    beepsS: beeps(heard, sound),
    /** From the first sound to the end of the last, and how much of it there is without holes. */
    sound: {
      fromS: Number(heard.at(0)?.pts_time),
      toS: Number(heard.at(-1)?.pts_time) + heard.at(-1)?.nb_samples / SAMPLE_RATE_HZ,
      heardS: heard.reduce((sum, { nb_samples }) => sum + nb_samples, 0) / SAMPLE_RATE_HZ,
    },
  };
}

/** Decodes all of a file, whatever is in it. @param {string} path */
export function decode(path) {
  run('ffmpeg', ['-v', 'warning', '-xerror', '-i', path, ...AS_THEY_ARE, '-f', 'null', '-']);
}

/** The picture a player shows that goes to a time. @param {string} path @param {number} atS @param {{ columns: number, rows: number }} board */
export function pictureAt(path, atS, { columns, rows }) {
  const decoded = run('ffmpeg', [
    ...['-v', 'warning', '-xerror', '-ss', String(atS), '-i', path],
    ...['-map', '0:v', '-frames:v', '1', ...blocksOf(columns, rows), 'pipe:1'],
  ]);
  return decoded.output[1];
}

/** Times as they are, not as a steady rate would have them. */
const AS_THEY_ARE = ['-fps_mode', 'passthrough', '-enc_time_base:v', '-1'];

const blocksOf = (columns, rows) => [
  ...AS_THEY_ARE,
  ...['-vf', `extractplanes=y,scale=${columns}:${rows}:flags=area`, '-f', 'rawvideo'],
];

/** When something begins to sound behind silence. Each frame has a time, and sound has holes where nothing was sent. */
function beeps(frames, sound) {
  const SILENCE_S = 0.2;
  const samples = new Int16Array(sound.buffer, sound.byteOffset, Math.floor(sound.length / 2));
  const loud = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0) / 4;
  const found = [];
  let [index, lastLoudS] = [0, -Infinity];
  for (const { pts_time, nb_samples } of frames) {
    for (let n = 0; n < nb_samples; n++, index++) {
      if (Math.abs(samples[index]) < loud) continue;
      const atS = Number(pts_time) + n / SAMPLE_RATE_HZ;
      if (atS - lastLoudS > SILENCE_S) found.push(atS);
      lastLoudS = atS;
    }
  }
  return found;
}

function run(program, args) {
  const stdio = ['ignore', 'pipe', 'pipe', 'pipe'];
  const done = spawnSync(program, args, { stdio, maxBuffer: MOST_BYTES, timeout: LIMIT_MS });
  if (done.error) throw done.error;
  const said = done.stderr.toString();
  if (done.status !== 0 || said !== '') throw new Error(`${program} ${args.join(' ')}: ${said}`);
  return done;
}

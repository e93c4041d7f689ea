/**
 * What a call looks and sounds like for one person, over time: sizes and gaps of the picture as it is shown, and how
 * much of the sound the browser had to make up. Recorded in the page; read from outside, for any stretch of time.
 */
import { until } from './poll.mjs';

/**
 * @typedef {object} Sample what the browser had counted at a time
 * @property {number} at milliseconds since 1970
 * @property {number} height of the picture
 * @property {number} decoded frames
 * @property {number | undefined} freezes as the browser defines them, if it does
 * @property {number | undefined} frozen_s in them
 * @property {number} bytes of the picture
 * @property {number} samples of sound
 * @property {number} concealed of these
 * @property {number} packets of sound
 * @property {number} sound_bytes in them
 */

export class Quality {
  #person;

  /** @param {import('./call.mjs').Person} person */
  constructor(person) {
    this.#person = person;
  }

  /**
   * Starts recording what `person` receives of `other`.
   *
   * @param {import('./call.mjs').Person} person
   * @param {import('./call.mjs').Person} other
   */
  static async record(person, other) {
    await person.page.evaluate(recordInPage, other.identity);
    return new Quality(person);
  }

  /**
   * Waits for a picture of some size that moves; when it was there.
   *
   * @param {string} what
   * @param {{ least?: number, most?: number }} height in lines
   * @param {number} since from this time on (milliseconds since 1970)
   * @param {number} limitMs
   */
  async moves(what, { least = 1, most = Infinity }, since, limitMs) {
    const find = async () => {
      const { at, last } = await this.#person.page.evaluate(findInPage, { least, most, since });
      if (at !== undefined) return at;
      throw new Error(JSON.stringify(last));
    };
    return until(`${this.#person.name} sees ${what} move`, find, limitMs);
  }

  /**
   * What happened between two times (milliseconds since 1970).
   *
   * @param {number} from
   * @param {number} to
   */
  async between(from, to) {
    const { samples, frames } = await this.#person.page.evaluate(() => window.sluiceQuality);
    const inside = samples.filter(({ at }) => at >= from && at <= to);
    const [first, last] = [inside[0], inside.at(-1)];
    if (!first || first === last) throw new Error(`nothing was recorded from ${from} to ${to}`);
    const heights = inside
      .map(({ height }) => height)
      .filter((height, n, all) => height !== all[n - 1]);
    const grown = (counter) =>
      last[counter] === undefined ? undefined : last[counter] - (first[counter] ?? 0);
    return {
      /** The picture's lines, each time they became others. */
      heights: heights.join(' '),
      changes_of_size: heights.length - 1,
      kbps: Math.round((grown('bytes') * 8) / (last.at - first.at)),
      /** The longest time in which nothing new was shown. */
      longest_gap_ms: Math.round(longestGap(frames, from, to)),
      freezes: grown('freezes'),
      frozen_ms: grown('frozen_s') === undefined ? undefined : Math.round(grown('frozen_s') * 1000),
      /** Share of the sound that was made up, in percent. */
      concealed_percent: (100 * grown('concealed')) / Math.max(1, grown('samples')),
      /** With RED a packet of sound holds the one before it as well. */
      sound_packet_bytes: grown('sound_bytes') / Math.max(1, grown('packets')),
    };
  }
}

/**
 * @param {number[]} times in order
 * @param {number} from
 * @param {number} to
 */
function longestGap(times, from, to) {
  const shown = [from, ...times.filter((at) => at > from && at < to), to];
  return Math.max(...shown.slice(1).map((at, n) => at - shown[n]));
}

/** Runs in the page. */
function findInPage({ least, most, since }) {
  const samples = window.sluiceQuality.samples.filter(({ at }) => at >= since);
  const fits = ({ height, decoded }) =>
    height >= least && height <= most && decoded > samples[0].decoded;
  return { at: samples.find(fits)?.at, last: samples.at(-1) };
}

/** Runs in the page. */
async function recordInPage(identity) {
  const PAUSE_MS = 100;
  const quality = (window.sluiceQuality = { samples: [], frames: [] });
  const now = () => performance.timeOrigin + performance.now();
  /** @type {HTMLVideoElement | undefined} */
  let watched;

  const watch = (element) => {
    watched = element;
    const shown = () => {
      quality.frames.push(now());
      if (watched === element) element.requestVideoFrameCallback(shown);
    };
    element.requestVideoFrameCallback(shown);
  };
  const inbound = async (track) => {
    const stats = (await track?.getRTCStatsReport?.()) ?? new Map();
    return [...stats.values()].find((stat) => stat.type === 'inbound-rtp') ?? {};
  };
  const sample = async () => {
    const publications = [
      ...(window.sluice.room.remoteParticipants.get(identity)?.trackPublications.values() ?? []),
    ];
    const track = (source) => publications.find((found) => found.source === source)?.track;
    const camera = track('camera');
    const element = camera?.attachedElements[0];
    if (element && element !== watched) watch(element);
    const [picture, sound] = [await inbound(camera), await inbound(track('microphone'))];
    quality.samples.push({
      at: now(),
      height: picture.frameHeight ?? 0,
      decoded: picture.framesDecoded ?? 0,
      freezes: picture.freezeCount,
      frozen_s: picture.totalFreezesDuration,
      bytes: picture.bytesReceived ?? 0,
      samples: sound.totalSamplesReceived ?? 0,
      concealed: sound.concealedSamples ?? 0,
      packets: sound.packetsReceived ?? 0,
      sound_bytes: sound.bytesReceived ?? 0,
    });
  };
  await sample();
  const again = () => setTimeout(() => sample().then(again, again), PAUSE_MS);
  again();
}

/**
 * People in a call through the web client, and what their pages know about the media. Everything is read through the
 * hook the client documents (`window.sluice.room`), which the pages of the SDK tests offer as well.
 */
import { advances, until } from './poll.mjs';

/** @param {string} id */
export const hook = (id) => `[data-testid="${id}"]`;

/**
 * Enters a room through its link, past the pre-join page, and waits for the call.
 *
 * @param {import('./browsers.mjs').Browser} browser
 * @param {import('./server.mjs').Server} server
 * @param {string} room
 * @param {string} name
 * @param {{ query?: string, hash?: string, viewport?: { width: number, height: number }, before?: () => void }} [options]
 */
export async function enter(browser, server, room, name, options = {}) {
  const { query = '', hash = '', ...page } = options;
  const url = `${server.url}/r/${room}?join=1&name=${encodeURIComponent(name)}${query}${hash}`;
  const person = new Person(await browser.open(url, page), name);
  await person.isInCall();
  return person;
}

/** Somebody in a call. */
export class Person {
  /** @param {import('./browsers.mjs').Page} page @param {string} name */
  constructor(page, name) {
    this.page = page;
    this.name = name;
  }

  /** Waits until the call view is here and connected. */
  async isInCall() {
    const { page } = this;
    await until(`${this.name} is in the call (${page.kind})`, async () => {
      const [isIn, failure] = await Promise.all([
        page.evaluate(() => window.sluice?.room?.state === 'connected'),
        page.text('[data-testid="failure"]'),
      ]);
      if (failure) throw new Error(`the page says: ${failure}`);
      return isIn && (await page.count(hook('room'))) > 0;
    });
    this.identity = await page.evaluate(() => window.sluice.room.localParticipant.identity);
  }

  /** What this page receives: one value for each track of somebody else. */
  received() {
    return this.page.evaluate(receivedInPage);
  }

  /** What this page sends: one value for each encoding. */
  sent() {
    return this.page.evaluate(sentInPage);
  }

  /**
   * The track of another person as this page receives it, or undefined.
   *
   * @param {Person} other
   * @param {'camera' | 'microphone' | 'screen_share'} source
   */
  async track(other, source) {
    const tracks = await this.received();
    return tracks.find((track) => track.identity === other.identity && track.source === source);
  }

  /** Waits until more pictures of the other have been decoded. @param {Person} other @param {'camera' | 'screen_share'} [source] */
  async watches(other, source = 'camera') {
    const decoded = async () => (await this.track(other, source))?.framesDecoded;
    await advances(`${this.name} decodes pictures of ${other.name}`, decoded, { by: 5 });
    return this.track(other, source);
  }

  /** Waits until more sound of the other was heard. @param {Person} other */
  async hears(other) {
    const energy = async () => (await this.track(other, 'microphone'))?.audioEnergy;
    await advances(`${this.name} hears ${other.name}`, energy, { by: 1e-6 });
  }

  /** Waits until the other's picture arrives in a size. @param {Person} other @param {(width: number) => boolean} fits @param {string} what @param {number} [limitMs] */
  async watchesInSize(other, fits, what, limitMs) {
    return until(
      `${this.name} sees ${other.name} ${what}`,
      async () => {
        const track = await this.track(other, 'camera');
        if (track && fits(track.width)) return track;
        throw new Error(track ? `${track.width}x${track.height}` : 'no track');
      },
      limitMs,
    );
  }

  /** The other's tile on this page. @param {Person} other */
  tileOf(other, attributes = '') {
    return `${hook('tile')}[data-identity="${other.identity}"]${attributes}`;
  }

  async leave() {
    await this.page.close();
  }
}

/** Runs in the page. */
async function receivedInPage() {
  const { room } = window.sluice;
  const tracks = [];
  for (const participant of room.remoteParticipants.values()) {
    for (const publication of participant.trackPublications.values()) {
      const stats = (await publication.track?.getRTCStatsReport?.()) ?? new Map();
      const inbound = [...stats.values()].find((stat) => stat.type === 'inbound-rtp');
      const codec = inbound && stats.get(inbound.codecId);
      tracks.push({
        identity: participant.identity,
        source: publication.source,
        sid: publication.trackSid,
        subscribed: publication.isSubscribed,
        muted: publication.isMuted,
        encrypted: publication.isEncrypted,
        framesDecoded: inbound?.framesDecoded ?? 0,
        framesReceived: inbound?.framesReceived ?? 0,
        bytesReceived: inbound?.bytesReceived ?? 0,
        audioEnergy: inbound?.totalAudioEnergy ?? 0,
        width: inbound?.frameWidth ?? 0,
        height: inbound?.frameHeight ?? 0,
        codec: codec?.mimeType ?? '',
      });
    }
  }
  return tracks;
}

/** Runs in the page. */
async function sentInPage() {
  const encodings = [];
  for (const publication of window.sluice.room.localParticipant.trackPublications.values()) {
    const stats = (await publication.track?.sender?.getStats()) ?? new Map();
    for (const stat of stats.values()) {
      if (stat.type !== 'outbound-rtp') continue;
      encodings.push({
        source: publication.source,
        rid: stat.rid ?? '',
        active: stat.active,
        width: stat.frameWidth ?? 0,
        height: stat.frameHeight ?? 0,
        framesSent: stat.framesSent ?? 0,
        scalabilityMode: stat.scalabilityMode ?? '',
        codec: stats.get(stat.codecId)?.mimeType ?? '',
      });
    }
  }
  return encodings;
}

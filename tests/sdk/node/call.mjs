/** A room of the SDK with everything that happened in it, and media to send. */
import { randomUUID } from 'node:crypto';

import {
  AudioFrame,
  AudioSource,
  AudioStream,
  LocalAudioTrack,
  LocalVideoTrack,
  Room,
  RoomEvent,
  TrackPublishOptions,
  TrackSource,
  VideoBufferType,
  VideoFrame,
  VideoSource,
  VideoStream,
} from '@livekit/rtc-node';

import { LIMIT_MS, until } from '../../../client-web/e2e/harness/poll.mjs';
import { token } from '../../../client-web/e2e/harness/token.mjs';

const SAMPLE_RATE_HZ = 48_000;
const FRAME_MS = 10;
const TONE_HZ = 440;
/** Root mean square, of 32768. The tone has about 7000; comfort noise and codec dust stay under 50. */
const AUDIBLE_RMS = 500;
const FRAMES_PER_S = 15;

export class Call {
  room = `call-${randomUUID().slice(0, 8)}`;
  /** @type {Guest[]} */
  #guests = [];
  /** @type {{ close(): Promise<void> }[]} */
  #media = [];

  /** @param {string} wsUrl of the server */
  constructor(wsUrl) {
    this.wsUrl = wsUrl;
  }

  /** @param {string} identity @param {object} [options] of the room @param {object} [claims] of the token */
  async join(identity, options = {}, claims = {}) {
    return this.enter(identity, token(this.room, identity, claims), options);
  }

  /** @param {string} identity @param {string} ticket a token from elsewhere @param {object} [options] of the room */
  async enter(identity, ticket, options = {}) {
    const guest = new Guest(identity);
    this.#guests.push(guest);
    await guest.room.connect(this.wsUrl, ticket, {
      autoSubscribe: true,
      dynacast: false,
      ...options,
    });
    return guest;
  }

  /** Ann and Ben, who see each other. @param {object} [options] */
  async pair(options) {
    const ann = await this.join('ann', options);
    const ben = await this.join('ben', options);
    await ann.seesParticipant('ben');
    await ben.seesParticipant('ann');
    return [ann, ben];
  }

  camera() {
    const camera = new Camera();
    this.#media.push(camera);
    return camera;
  }

  microphone() {
    const microphone = new Microphone();
    this.#media.push(microphone);
    return microphone;
  }

  async close() {
    for (const guest of this.#guests) await guest.room.disconnect();
    for (const media of this.#media) await media.close();
  }
}

class Guest {
  room = new Room();
  /** @type {{ event: string, parameters: any[] }[]} */
  #events = [];

  /** @param {string} identity */
  constructor(identity) {
    this.identity = identity;
    for (const event of Object.values(RoomEvent)) {
      this.room.on(event, (...parameters) => this.#events.push({ event, parameters }));
    }
  }

  get me() {
    return this.room.localParticipant;
  }

  /** Parameters of every such event so far. @param {string} event */
  all(event) {
    return this.#events.filter((seen) => seen.event === event).map((seen) => seen.parameters);
  }

  /** From here on only what comes counts. */
  forget() {
    this.#events.length = 0;
  }

  /** Waits for an event; its parameters. @param {string} event @param {(...parameters: any[]) => boolean} [suchThat] @param {number} [limitMs] */
  sees(event, suchThat = () => true, limitMs = LIMIT_MS) {
    const what = `${this.identity} sees ${event}`;
    return until(
      what,
      () => this.all(event).find((parameters) => suchThat(...parameters)),
      limitMs,
    );
  }

  /** @param {string} identity */
  seesParticipant(identity) {
    return until(`${this.identity} sees ${identity}`, () =>
      this.room.remoteParticipants.get(identity),
    );
  }

  /** Waits for the track of that source; its publication. @param {string} identity @param {TrackSource} source */
  subscribes(identity, source) {
    return until(`${this.identity} receives a track of ${identity}`, () => {
      const publications =
        this.room.remoteParticipants.get(identity)?.trackPublications.values() ?? [];
      return [...publications].find(
        (publication) => publication.source === source && publication.track,
      );
    });
  }

  /** Pictures decoded of all tracks, as libwebrtc counts them. */
  async framesDecoded() {
    const { publisherStats, subscriberStats } = await this.room.getRtcStats();
    return [...publisherStats, ...subscriberStats]
      .filter(({ stats }) => stats?.case === 'inboundRtp')
      .reduce((sum, { stats }) => sum + (stats.value.inbound?.framesDecoded ?? 0), 0);
  }

  /** @param {Camera | Microphone} media */
  publish(media) {
    return this.me.publishTrack(media.track, new TrackPublishOptions({ source: media.source }));
  }
}

/** Sends pictures of a wandering bar until it is closed. */
class Camera {
  source = TrackSource.SOURCE_CAMERA;
  #source = new VideoSource(320, 240);
  track = LocalVideoTrack.createVideoTrack('camera', this.#source);
  #number = 0;
  #timer = setInterval(() => {
    const data = new Uint8Array((320 * 240 * 3) / 2).fill(128);
    const at = (this.#number++ * 7) % 300;
    for (let row = 0; row < 240; row++) data.fill(235, row * 320 + at, row * 320 + at + 20);
    this.#source.captureFrame(new VideoFrame(data, 320, 240, VideoBufferType.I420));
  }, 1000 / FRAMES_PER_S);

  async close() {
    clearInterval(this.#timer);
    await this.#source.close();
  }
}

/** Sends a tone until it is closed. */
class Microphone {
  source = TrackSource.SOURCE_MICROPHONE;
  #source = new AudioSource(SAMPLE_RATE_HZ, 1);
  track = LocalAudioTrack.createAudioTrack('microphone', this.#source);
  #isOpen = true;
  #sending = this.#send();

  async #send() {
    const samples = (SAMPLE_RATE_HZ * FRAME_MS) / 1000;
    for (let at = 0; this.#isOpen; at += samples) {
      const phase = (i) => (2 * Math.PI * TONE_HZ * (at + i)) / SAMPLE_RATE_HZ;
      const wave = Int16Array.from({ length: samples }, (_, i) => 10_000 * Math.sin(phase(i)));
      // The source paces: it takes no more than it plays.
      await this.#source.captureFrame(new AudioFrame(wave, SAMPLE_RATE_HZ, 1, samples));
    }
  }

  async close() {
    this.#isOpen = false;
    await this.#sending;
    await this.#source.close();
  }
}

/**
 * The SDK decodes pictures and hands them to nobody: no fault of a server's, and none it could mend.
 *
 * An SDK that publishes its first picture adds `x-google-start-bitrate` to all its video codecs, so that libwebrtc makes
 * its receiving streams anew. A packet that comes in between is taken for one of an unknown stream, and the stream
 * loses its reader ("Could not create default receive stream", then a sink of nothing; seen on busy machines).
 */
export class LostSink extends Error {}

/** Waits for so many decoded frames. @param {Guest} guest @param {import('@livekit/rtc-node').Track} track */
export async function watch(guest, track, frames = 5) {
  let seen = 0;
  const stream = new VideoStream(track);
  try {
    await reads(`${frames} frames`, stream, () => ++seen >= frames);
  } catch (error) {
    const decoded = await guest.framesDecoded();
    if (seen < frames && decoded >= 10 * frames) {
      throw new LostSink(`${decoded} frames decoded, ${seen} handed out`, { cause: error });
    }
    throw error;
  }
}

/** Waits until the track is audible. @param {import('@livekit/rtc-node').Track} track */
export async function listen(track) {
  await reads('something audible', new AudioStream(track, SAMPLE_RATE_HZ, 1), (frame) => {
    const energy = frame.data.reduce((sum, sample) => sum + sample * sample, 0);
    return Math.sqrt(energy / frame.data.length) > AUDIBLE_RMS;
  });
}

/**
 * Reads a stream until a value is good enough.
 *
 * @template T
 * @param {string} what
 * @param {ReadableStream<T>} stream
 * @param {(value: T) => boolean} isEnough
 */
async function reads(what, stream, isEnough) {
  const reader = stream.getReader();
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${LIMIT_MS} ms: ${what}`)), LIMIT_MS);
  });
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) throw new Error(`the track ended before ${what}`);
      if (isEnough(value)) return;
    }
  } finally {
    clearTimeout(timer);
    await reader.cancel();
  }
}

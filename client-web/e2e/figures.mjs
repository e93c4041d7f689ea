/**
 * Measures how long it takes from joining to the first picture, between two Chromium pages on this machine, and prints
 * it as JSON: `npm run figures [joins]`. Both pages are ready; the one that joins has its SDK loaded and a token.
 */
import { Browser } from './harness/browsers.mjs';
import { until } from './harness/poll.mjs';
import { SdkGuest, WAYS, servePages } from './harness/sdk.mjs';
import { Server } from './harness/server.mjs';
import { token } from './harness/token.mjs';

const joins = Number(process.argv[2] ?? 20);

const server = await Server.start();
const pages = await servePages();
const browser = await Browser.launch('chromium');
const figures = {};
try {
  for (const way of WAYS) {
    const room = `figures-${way.name}`;
    const ann = await SdkGuest.join(browser, pages, server, room, 'ann', way);
    await ann.publish({ microphone: false });
    // The steady state of a call: the publisher's bandwidth estimate has grown.
    const witness = await SdkGuest.join(browser, pages, server, room, 'witness', way);
    await witness.watches(ann);
    const samples = [];
    for (let n = 0; n < joins; n++) samples.push(await measure(way, room));
    figures[way.name] = {
      joins,
      connected_ms: percentiles(samples.map((sample) => sample.connected)),
      first_frame_decoded_ms: percentiles(samples.map((sample) => sample.decoded)),
      first_frame_rendered_ms: percentiles(samples.map((sample) => sample.rendered)),
    };
    await Promise.all([ann.leave(), witness.leave()]);
  }
  console.log(JSON.stringify({ join_to_first_frame: figures }, undefined, 2));
} finally {
  await browser.close();
  pages.close();
  await server.stop();
}

/** One join of a page that is ready; milliseconds since `connect` began. */
async function measure(way, room) {
  const page = await browser.open(`${pages.url}/${way.version}/`);
  await until('the SDK is loaded', () => page.evaluate(() => typeof window.join === 'function'));
  const ticket = { url: server.wsUrl, token: token(room, 'late'), room: way.options, connect: {} };
  const sample = await page.evaluate(async (ticket) => {
    const start = performance.now();
    const since = () => performance.now() - start;
    const joined = window.join(ticket);
    const rendered = new Promise((resolve) => {
      window.sluice.room.on('trackSubscribed', (track) => {
        if (track.kind !== 'video') return;
        track.attachedElements[0].requestVideoFrameCallback(() => resolve(since()));
      });
    });
    // Decoding is only told by statistics, which are made anew at most every few milliseconds.
    const decoded = (async () => {
      for (;;) {
        for (const { trackPublications } of window.sluice.room.remoteParticipants.values()) {
          for (const { track } of trackPublications.values()) {
            const stats = (await track?.getRTCStatsReport?.()) ?? new Map();
            if ([...stats.values()].some((stat) => stat.framesDecoded > 0)) return since();
          }
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    await joined;
    const connected = since();
    return { connected, decoded: await decoded, rendered: await rendered };
  }, ticket);
  await page.close();
  return sample;
}

/** @param {number[]} samples */
function percentiles(samples) {
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (share) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]);
  return { p50: at(0.5), p95: at(0.95), max: Math.round(sorted.at(-1)) };
}

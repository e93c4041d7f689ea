/** A codec that not everybody has: `livekit-client` publishes VP9 with VP8 behind it, and somebody lacks VP9. */
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';

import { LIMIT_MS, until } from '../harness/poll.mjs';
import { WAYS } from '../harness/sdk.mjs';
import { bareRooms, closePages } from '../harness/suite.mjs';

/** @typedef {import('../harness/sdk.mjs').SdkGuest} SdkGuest */

const { newRoom, join } = bareRooms('codecs');

/** @param {SdkGuest} guest @param {object} options */
function publishesCamera(guest, options) {
  return guest.does(async (options) => {
    const [track] = await LivekitClient.createLocalTracks({ video: true });
    await window.sluice.room.localParticipant.publishTrack(track, options);
  }, options);
}

/** Codecs in which somebody sends pictures now: those with an encoder at work. @param {SdkGuest} guest */
function codecsSent(guest) {
  return guest.does(async () => {
    const [{ videoTrack }] = window.sluice.room.localParticipant.videoTrackPublications.values();
    const senders = [
      videoTrack.sender,
      ...[...videoTrack.simulcastCodecs.values()].map((c) => c.sender),
    ];
    const codecs = new Set();
    for (const sender of senders) {
      const stats = await sender?.getStats();
      for (const stat of stats?.values() ?? [])
        if (stat.type === 'outbound-rtp' && stat.active)
          codecs.add(stats.get(stat.codecId)?.mimeType);
    }
    return [...codecs].sort();
  });
}

/** Waits until pictures come in a codec. @param {SdkGuest} viewer @param {SdkGuest} other @param {string} codec */
async function watchesIn(viewer, other, codec) {
  await until(
    `${viewer.name} receives ${codec}`,
    async () => (await viewer.track(other, 'camera'))?.codec === codec,
    2 * LIMIT_MS,
  );
  await viewer.watches(other);
}

for (const way of WAYS.filter((way) => way.version === 'latest')) {
  describe(`a backup codec, ${way.name}`, () => {
    afterEach(closePages);

    for (const policy of ['SIMULCAST', 'PREFER_REGRESSION']) {
      it(`is published when somebody needs it: ${policy}`, async () => {
        const room = newRoom();
        const ann = await join(room, 'ann', way);
        const ben = await join(room, 'ben', way);
        const backupCodecPolicy = { PREFER_REGRESSION: 0, SIMULCAST: 1 }[policy];
        await publishesCamera(ann, { videoCodec: 'vp9', backupCodec: true, backupCodecPolicy });
        await watchesIn(ben, ann, 'video/VP9');
        assert.deepEqual(await codecsSent(ann), ['video/VP9'], 'nobody needs the second');

        const eve = await join(room, 'eve', way, { lacks: ['VP9', 'AV1'] });
        await watchesIn(eve, ann, 'video/VP8');
        const isBoth = policy === 'SIMULCAST';
        await watchesIn(ben, ann, isBoth ? 'video/VP9' : 'video/VP8');
        await until(
          'the publisher encodes what is wanted',
          async () => {
            const sent = await codecsSent(ann);
            if (String(sent) === String(isBoth ? ['video/VP8', 'video/VP9'] : ['video/VP8']))
              return true;
            throw new Error(String(sent));
          },
          2 * LIMIT_MS,
        );
        assert.deepEqual(await eve.all('trackSubscriptionFailed'), []);
      });
    }

    it('is sent no more when nobody needs it any more', async () => {
      const room = newRoom();
      const ann = await join(room, 'ann', way);
      const ben = await join(room, 'ben', way);
      await publishesCamera(ann, { videoCodec: 'vp9', backupCodec: true, backupCodecPolicy: 1 });
      const eve = await join(room, 'eve', way, { lacks: ['VP9', 'AV1'] });
      await watchesIn(eve, ann, 'video/VP8');
      await eve.does(() => window.sluice.room.disconnect());
      await until(
        'VP9 alone is encoded',
        async () => String(await codecsSent(ann)) === 'video/VP9',
        2 * LIMIT_MS,
      );
      await watchesIn(ben, ann, 'video/VP9');
    });

    it('is not there: who lacks the codec is told', async () => {
      const room = newRoom();
      const ann = await join(room, 'ann', way);
      await publishesCamera(ann, { videoCodec: 'vp9', backupCodec: false });
      const eve = await join(room, 'eve', way, { lacks: ['VP9', 'AV1'] });
      await eve.sees('trackSubscriptionFailed');
      assert.equal((await eve.track(ann, 'camera'))?.framesDecoded ?? 0, 0);
    });
  });
}

/** Metadata of frames: `livekit-client` appends a packet trailer, which only those get who can take it off. */
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';

import { advances, until } from '../harness/poll.mjs';
import { WAYS } from '../harness/sdk.mjs';
import { bareRooms, closePages } from '../harness/suite.mjs';

/** @typedef {import('../harness/sdk.mjs').SdkGuest} SdkGuest */

const { newRoom, join } = bareRooms('trailers');

/** Looks at the end of each frame that a page is about to decode, and counts. @param {SdkGuest} guest */
function looksAtFrames(guest) {
  return guest.does(() => {
    window.counts = { frames: 0, trailers: 0 };
    const transform = (frame, controller) => {
      const end = new Uint8Array(frame.data).slice(-4);
      window.counts.frames += 1;
      window.counts.trailers += String.fromCharCode(...end) === 'LKTS' ? 1 : 0;
      controller.enqueue(frame);
    };
    window.sluice.room.on('trackSubscribed', ({ receiver }) => {
      const { readable, writable } = receiver.createEncodedStreams();
      readable.pipeThrough(new TransformStream({ transform })).pipeTo(writable);
    });
  });
}

// By signal v0 this SDK does not say that it can take trailers off.
const [way] = WAYS;

describe(`metadata of frames, ${way.name}`, () => {
  afterEach(closePages);

  for (const videoCodec of ['vp8', 'vp9', 'h264']) {
    it(`${videoCodec}: reaches who reads it, and nobody else`, async () => {
      const room = newRoom();
      const ann = await join(room, 'ann', way, { readsMetadata: true });
      const ben = await join(room, 'ben', way, { readsMetadata: true });
      const rtcConfig = { encodedInsertableStreams: true };
      const eve = await join(room, 'eve', way, { connect: { rtcConfig } });
      await looksAtFrames(eve);
      await ann.does(async (videoCodec) => {
        const [track] = await LivekitClient.createLocalTracks({ video: true });
        const frameMetadata = { timestamp: true, frameId: true };
        const me = window.sluice.room.localParticipant;
        await me.publishTrack(track, { videoCodec, frameMetadata });
      }, videoCodec);
      await Promise.all([ben.watches(ann), eve.watches(ann)]);

      const lastRead = () =>
        ben.does(() => {
          const { trackPublications } = window.sluice.room.remoteParticipants.get('ann');
          const [{ track, trackInfo }] = trackPublications.values();
          const last = [...(track.frameMetadataExtractor?.metadataMap?.values() ?? [])].at(-1);
          return { announced: trackInfo.packetTrailerFeatures, frameId: last?.frameId };
        });
      await advances(
        'the frames that ben reads the number of',
        async () => (await lastRead()).frameId,
        { by: 5 },
      );
      assert.deepEqual((await lastRead()).announced, [0, 1]);

      const { frames, trailers } = await until('eve has looked at frames', async () => {
        const counts = await eve.does(() => window.counts);
        return counts.frames > 10 && counts;
      });
      assert.equal(trailers, 0, `of ${frames} frames`);
    });
  }
});

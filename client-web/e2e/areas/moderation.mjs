/** What a back end does to people in a room, as `livekit-client`, unmodified, takes it. */
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';

import { LIMIT_MS, until } from '../harness/poll.mjs';
import { WAYS } from '../harness/sdk.mjs';
import { bareRooms, closePages, server } from '../harness/suite.mjs';
import { token } from '../harness/token.mjs';

const { newRoom, join } = bareRooms('moderation');

const EVERYTHING = { canSubscribe: true, canPublish: true, canPublishData: true };

/** A method of the server API. @param {string} method @param {{ room: string, destinationRoom?: string }} request */
async function ask(method, request) {
  const { wsUrl } = await server();
  const video = {
    roomJoin: false,
    roomAdmin: true,
    ...(request.destinationRoom && { destinationRoom: request.destinationRoom }),
  };
  const response = await fetch(
    `${wsUrl.replace('ws', 'http')}/twirp/livekit.RoomService/${method}`,
    {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token(request.room, 'back end', { video })}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify(request),
    },
  );
  const answer = await response.json();
  assert.equal(response.status, 200, JSON.stringify(answer));
  return answer;
}

for (const way of WAYS) {
  describe(`a back end and ${way.name}`, () => {
    afterEach(closePages);

    it('moves somebody with what it sends', async () => {
      const room = newRoom();
      const there = newRoom();
      const [ann, ben] = [await join(room, 'ann', way), await join(room, 'ben', way)];
      const eve = await join(there, 'eve', way);
      await Promise.all([ann.publish(), eve.publish()]);
      await ben.watches(ann);
      await ask('MoveParticipant', { room, identity: 'ann', destinationRoom: there });
      await ben.sees('participantDisconnected', ({ identity }) => identity === 'ann');
      const meet = async () => {
        await Promise.all([eve.watches(ann), ann.watches(eve)]);
        return true;
      };
      await until('ann and eve see each other', meet, 3 * LIMIT_MS);
      const where = await ann.does(() => [
        window.sluice.room.name,
        [...window.sluice.room.remoteParticipants.keys()].join(),
      ]);
      assert.deepEqual(where, [there, 'eve']);
      await Promise.all([eve.hears(ann), ann.hears(eve)]);
    });

    it('takes permissions away and gives them back', async () => {
      const room = newRoom();
      const [ann, ben] = [await join(room, 'ann', way), await join(room, 'ben', way)];
      await ann.publish();
      await ben.watches(ann);
      const permit = (identity, change) =>
        ask('UpdateParticipant', {
          room,
          identity,
          permission: { ...EVERYTHING, ...change },
        });
      await permit('ann', { canPublish: false });
      await ben.sees('trackUnpublished');
      await until('ann knows', () =>
        ann.does(() => window.sluice.room.localParticipant.permissions.canPublish === false),
      );
      const tracks = () =>
        ben.does(
          () => window.sluice.room.remoteParticipants.get('ann')?.trackPublications.size ?? 0,
        );
      await until('ben sees nothing of her', async () => (await tracks()) === 0);
      await permit('ann', {});
      await until('ann may again', () =>
        ann.does(() => window.sluice.room.localParticipant.permissions.canPublish),
      );
      await ann.publish();
      await ben.watches(ann);
    });

    it('sends somebody away', async () => {
      const room = newRoom();
      const [ann, ben] = [await join(room, 'ann', way), await join(room, 'ben', way)];
      await ask('RemoveParticipant', { room, identity: 'ann' });
      const [reason] = await ann.sees('disconnected');
      assert.equal(
        reason,
        await ann.does(() => LivekitClient.DisconnectReason.PARTICIPANT_REMOVED),
      );
      await ben.sees('participantDisconnected');
      await assert.rejects(join(room, 'ann', way), /./, 'not with a token from before');
    });
  });
}

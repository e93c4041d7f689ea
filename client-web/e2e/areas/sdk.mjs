/** `livekit-client`, unmodified, on bare pages in Chromium: the newest by both signal protocols, and an old one. */
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';

import { LIMIT_MS, until } from '../harness/poll.mjs';
import { WAYS } from '../harness/sdk.mjs';
import { bareRooms, closePages } from '../harness/suite.mjs';

const { newRoom, join } = bareRooms('sdk');

/** Ann and Ben, who see each other. */
async function pair(way, other = way) {
  const room = newRoom();
  const ann = await join(room, 'ann', way);
  const ben = await join(room, 'ben', other);
  await Promise.all([ann.seesGuest(ben), ben.seesGuest(ann)]);
  return { room, ann, ben };
}

for (const way of WAYS) {
  const isOld = way.version !== 'latest';

  describe(way.name, () => {
    afterEach(closePages);

    it('connects and learns about the room', async () => {
      const room = newRoom();
      const ann = await join(room, 'ann', way, {
        claims: { name: 'Ann', attributes: { role: 'host' } },
      });
      const seen = await ann.does(() => {
        const { room } = window.sluice;
        return [room.name, room.localParticipant.name, room.localParticipant.attributes.role];
      });
      assert.deepEqual(seen, [room, 'Ann', 'host']);
      assert.match(await ann.does(() => window.sluice.room.getSid()), /^RM_/);
    });

    it('is refused with a token signed by a stranger', async () => {
      await assert.rejects(
        join(newRoom(), 'eve', way, { claims: { secret: 'guessed' } }),
        /token|authori|NotAllowed/i,
      );
    });

    it('publishes, sees and hears, both ways', async () => {
      const { ann, ben } = await pair(way);
      await Promise.all([ann.publish(), ben.publish()]);
      await Promise.all([ann.watches(ben), ben.watches(ann)]);
      await Promise.all([ann.hears(ben), ben.hears(ann)]);
    });

    it('shows a late guest what is on', async () => {
      const room = newRoom();
      const ann = await join(room, 'ann', way);
      await ann.publish();
      const late = await join(room, 'late', way);
      await late.watches(ann);
      await late.hears(ann);
    });

    it('sends data both ways, reliably and not', async () => {
      const { ann, ben } = await pair(way);
      for (const [here, there] of [
        [ann, ben],
        [ben, ann],
      ]) {
        for (const reliable of [true, false]) {
          const topic = reliable ? 'sure' : 'perhaps';
          const send = () =>
            here.does(
              ({ reliable, topic }) =>
                window.sluice.room.localParticipant.publishData(new TextEncoder().encode('hello'), {
                  reliable,
                  topic,
                }),
              { reliable, topic },
            );
          await send();
          const hasCome = async () =>
            (await there.all('dataReceived')).find(([, , , seen]) => seen === topic);
          const [payload, from] = await until(`${topic} data comes`, async () => {
            // What may be lost is sent again.
            if (!reliable) await send();
            return hasCome();
          });
          assert.deepEqual([payload, from.identity], ['hello', here.identity]);
        }
      }
    });

    it('sends data only to whom it is meant for', async () => {
      const { room, ann, ben } = await pair(way);
      const eve = await join(room, 'eve', way);
      await ann.seesGuest(eve);
      await ann.does(async () => {
        const me = window.sluice.room.localParticipant;
        const bytes = (text) => new TextEncoder().encode(text);
        await me.publishData(bytes('private'), { reliable: true, destinationIdentities: ['ben'] });
        await me.publishData(bytes('public'), { reliable: true });
      });
      await until('ben has both', async () => (await ben.all('dataReceived')).length === 2);
      await eve.sees('dataReceived');
      assert.deepEqual(
        (await eve.all('dataReceived')).map(([payload]) => payload),
        ['public'],
      );
    });

    it('chats', async () => {
      const { ann, ben } = await pair(way);
      if (isOld) {
        await ann.does(() => window.sluice.room.localParticipant.sendChatMessage('Hello 👋'));
        const [said, from] = await ben.sees('chatMessage');
        assert.deepEqual([said.message, from.identity], ['Hello 👋', 'ann']);
        return;
      }
      await ben.does(() =>
        window.sluice.room.registerTextStreamHandler('lk.chat', async (reader, { identity }) => {
          window.read = `${identity}: ${await reader.readAll()}`;
        }),
      );
      await ann.does(() =>
        window.sluice.room.localParticipant.sendText('Hello 👋', { topic: 'lk.chat' }),
      );
      await until('ben reads', async () => (await ben.does(() => window.read)) === 'ann: Hello 👋');
    });

    it('sends a file', { skip: isOld && 'this SDK has no byte streams' }, async () => {
      const { ann, ben } = await pair(way);
      await ben.does(() =>
        window.sluice.room.registerByteStreamHandler('files', async (reader) => {
          const chunks = await reader.readAll();
          window.read = chunks.reduce(
            (sum, chunk) => chunk.reduce((sum, byte) => sum + byte, sum),
            0,
          );
        }),
      );
      const sum = await ann.does(async () => {
        const content = Uint8Array.from({ length: 200_000 }, (_, n) => (n * 31) % 251);
        await window.sluice.room.localParticipant.sendFile(new File([content], 'picture.bin'), {
          topic: 'files',
        });
        return content.reduce((sum, byte) => sum + byte, 0);
      });
      await until('ben has it', async () => (await ben.does(() => window.read)) === sum);
    });

    it(
      'calls procedures, and hears of their errors',
      { skip: isOld && 'this SDK has no RPC' },
      async () => {
        const { ann, ben } = await pair(way);
        await ben.does(() => {
          const { room } = window.sluice;
          room.registerRpcMethod('greet', async ({ callerIdentity }) => `Hello ${callerIdentity}`);
          room.registerRpcMethod('refuse', async () => {
            throw new LivekitClient.RpcError(42, 'not today');
          });
        });
        const perform = (method) =>
          ann.does(async (method) => {
            const me = window.sluice.room.localParticipant;
            const call = { destinationIdentity: 'ben', method, payload: '' };
            return me.performRpc(call).catch((error) => error.code);
          }, method);
        assert.equal(await perform('greet'), 'Hello ann');
        assert.equal(await perform('refuse'), 42);
        assert.equal(await perform('nothing'), 1400);
      },
    );

    it('tells attributes, metadata and names', async () => {
      const { ann, ben } = await pair(way);
      await ann.does(async () => {
        const me = window.sluice.room.localParticipant;
        await me.setAttributes({ hand: 'up' });
        await me.setMetadata('seated');
        await me.setName('Anna');
      });
      const known = () =>
        ben.does(() => {
          const { attributes, metadata, name } = window.sluice.room.remoteParticipants.get('ann');
          return attributes.hand === 'up' && metadata === 'seated' && name === 'Anna';
        });
      await until('ben knows all of it', known);
      await ben.sees('participantAttributesChanged', (changed) => changed.hand === 'up');
    });

    it('shows a mute', async () => {
      const { ann, ben } = await pair(way);
      await ann.publish({ camera: false });
      await ben.hears(ann);
      await ann.does(() => window.sluice.room.localParticipant.setMicrophoneEnabled(false));
      await ben.sees('trackMuted');
      await ann.does(() => window.sluice.room.localParticipant.setMicrophoneEnabled(true));
      await ben.sees('trackUnmuted');
      await ben.hears(ann);
    });

    it('publishes and unpublishes again and again', async () => {
      const { ann, ben } = await pair(way);
      for (let cycle = 0; cycle < 4; cycle++) {
        await ann.publish();
        await ben.watches(ann);
        await ben.hears(ann);
        await ann.does(async () => {
          const me = window.sluice.room.localParticipant;
          for (const publication of [...me.trackPublications.values()])
            await me.unpublishTrack(publication.track);
        });
        await until('ben sees nothing', async () => (await ben.received()).length === 0);
      }
    });

    it('subscribes by hand', async () => {
      const room = newRoom();
      const ann = await join(room, 'ann', way);
      const ben = await join(room, 'ben', way, { connect: { autoSubscribe: false } });
      await ann.publish({ microphone: false });
      await ben.sees('trackPublished');
      const subscribe = (wanted) =>
        ben.does((wanted) => {
          const { trackPublications } = window.sluice.room.remoteParticipants.get('ann');
          for (const publication of trackPublications.values()) publication.setSubscribed(wanted);
        }, wanted);
      for (let cycle = 0; cycle < 2; cycle++) {
        await subscribe(true);
        await ben.watches(ann);
        await ben.forget();
        await subscribe(false);
        await ben.sees('trackUnsubscribed');
      }
    });

    it('keeps tracks from whom the publisher does not allow', async () => {
      const { room, ann, ben } = await pair(way);
      const eve = await join(room, 'eve', way);
      await ann.does(() =>
        window.sluice.room.localParticipant.setTrackSubscriptionPermissions(false, [
          { participantIdentity: 'ben', allowAll: true },
        ]),
      );
      await ann.publish({ microphone: false });
      await ben.watches(ann);
      await eve.sees('trackPublished');
      assert.deepEqual(await eve.all('trackSubscribed'), []);
      await ann.does(() =>
        window.sluice.room.localParticipant.setTrackSubscriptionPermissions(true),
      );
      await eve.watches(ann);
    });

    it('asks for a quality and gets it', async () => {
      const { ann, ben } = await pair(way);
      await ann.publish({ microphone: false });
      await ben.watches(ann);
      const ask = (quality) =>
        ben.does((quality) => {
          const [publication] = window.sluice.room.remoteParticipants
            .get('ann')
            .trackPublications.values();
          publication.setVideoQuality(LivekitClient.VideoQuality[quality]);
        }, quality);
      await ask('LOW');
      await ben.watchesInSize(ann, (width) => width > 0 && width <= 320, 'small', 2 * LIMIT_MS);
      await ask('HIGH');
      await ben.watchesInSize(ann, (width) => width >= 960, 'large', 2 * LIMIT_MS);
    });

    it('sees who leaves', async () => {
      const { ann, ben } = await pair(way);
      await ben.does(() => window.sluice.room.disconnect());
      const [left] = await ann.sees('participantDisconnected');
      assert.equal(left.identity, 'ben');
    });

    it('gives an identity to who comes last', async () => {
      const { room, ann, ben } = await pair(way);
      const second = await join(room, 'ben', way);
      const [reason] = await ben.sees('disconnected');
      assert.equal(reason, await ben.does(() => LivekitClient.DisconnectReason.DUPLICATE_IDENTITY));
      await second.publish({ microphone: false });
      await ann.watches(second);
    });

    // Resumes keep the session, reconnects build a new one; either way the call goes on.
    const usual = ['signal-reconnect', 'full-reconnect', 'node-failure'];
    const rest = [
      'resume-reconnect',
      'disconnect-signal-on-resume',
      'disconnect-signal-on-resume-no-messages',
      'leave-full-reconnect',
      'migration',
    ];
    // Between the newest by v1 and the oldest by v0 there is little left to find.
    const isBetween = way.version === 'latest' && way !== WAYS[0];
    const scenarios = isBetween ? usual : [...usual, ...rest];
    for (const scenario of scenarios) {
      it(`survives ${scenario}`, async () => {
        const { ann, ben } = await pair(way);
        await Promise.all([ann.publish(), ben.publish()]);
        await ann.watches(ben);
        const isResume = /resume|signal-reconnect|migration/.test(scenario);
        const sid = await ben.does(() => window.sluice.room.localParticipant.sid);
        await ben.does((scenario) => window.sluice.room.simulateScenario(scenario), scenario);
        await ben.sees(isResume ? 'signalReconnecting' : 'reconnecting', undefined, 2 * LIMIT_MS);
        await ben.sees('reconnected', undefined, 2 * LIMIT_MS);
        if (scenario === 'signal-reconnect') {
          assert.equal(
            await ben.does(() => window.sluice.room.localParticipant.sid),
            sid,
            'the same participant',
          );
        }
        await Promise.all([ann.watches(ben), ben.watches(ann)]);
        await Promise.all([ann.hears(ben), ben.hears(ann)]);
      });
    }

    it('is told when the server ends the session', async () => {
      const { ann, ben } = await pair(way);
      await ben.does(() => window.sluice.room.simulateScenario('server-leave'));
      await ben.sees('disconnected');
      await ann.sees('participantDisconnected');
    });

    it('acts out a speaker', async () => {
      const { ben } = await pair(way);
      await ben.does(() => window.sluice.room.simulateScenario('speaker'));
      await ben.sees('activeSpeakersChanged', (speakers) => speakers.length > 0);
    });
  });
}

describe('old and new SDKs', () => {
  afterEach(closePages);

  it('meet in one call', async () => {
    const { ann, ben } = await pair(WAYS[0], WAYS[2]);
    await Promise.all([ann.publish(), ben.publish()]);
    await Promise.all([ann.watches(ben), ben.watches(ann)]);
    await Promise.all([ann.hears(ben), ben.hears(ann)]);
  });
});

import { expect, it } from 'vitest';
import { respond } from '../test/respond';
import { roomDesk } from './hosts';

const path = '/api/rooms/k3m9x2qa';

it('asks with the token of the moment', async () => {
  let token = 'first';
  const desk = roomDesk('k3m9x2qa', () => token);
  const asked = respond({ [`POST ${path}/mute-all`]: { status: 204, body: '' } });
  await desk.muteAll();
  token = 'second';
  await desk.muteAll();
  expect(asked.map((one) => one.headers)).toMatchObject([
    { authorization: 'Bearer first' },
    { authorization: 'Bearer second' },
  ]);
});

it('names people safely, whatever they are called', async () => {
  const asked = respond({});
  await roomDesk('k3m9x2qa', () => 't')
    .remove('../ada/7', true)
    .catch(() => undefined);
  expect(asked[0]).toMatchObject({
    path: `${path}/participants/..%2Fada%2F7/remove`,
    body: { keep_out: true },
  });
});

it('reads a long chat to its end', async () => {
  const page = (first: number, more: boolean) => ({
    status: 200,
    body: {
      more,
      messages: Array.from({ length: 500 }, (_, index) => ({ sequence: first + index })),
    },
  });
  respond({
    [`GET ${path}/chat?after=0&limit=500`]: page(1, true),
    [`GET ${path}/chat?after=500&limit=500`]: page(501, false),
  });
  const messages = await roomDesk('k3m9x2qa', () => 't').chat();
  expect([messages.length, messages[0]?.sequence, messages.at(-1)?.sequence]).toEqual([
    500, 501, 1000,
  ]);
});

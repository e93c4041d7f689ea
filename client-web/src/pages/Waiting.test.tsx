import { render, screen } from '@testing-library/react';
import { expect, it } from 'vitest';
import type { PreviewMedia } from '../media/browserMedia';
import { failureFromDevice } from '../media/livekitFailure';
import { LocalMedia } from '../media/localMedia';
import { Waiting } from './Waiting';

const room = {
  id: 'k3m9x2qa',
  name: 'Weekly',
  num_participants: 1,
  max_participants: 0,
  created_at: 0,
};
const media: PreviewMedia = new LocalMedia(
  {
    open: () => Promise.reject(new DOMException('no', 'NotFoundError')),
    explain: failureFromDevice,
    worthTryingAlone: () => Promise.resolve(false),
  },
  { camera: false, microphone: false },
);

it('who waits in the lobby is told when a recording begins', () => {
  const page = (is_recorded: boolean) => (
    <Waiting
      room={{ ...room, is_recorded }}
      position={1}
      name="Ada"
      media={media}
      onWithdraw={() => undefined}
    />
  );
  const { rerender } = render(page(false));
  expect(screen.queryByTestId('prejoin-recorded')).toBeNull();
  rerender(page(true));
  expect(screen.getByTestId('prejoin-recorded')).toBeVisible();
});

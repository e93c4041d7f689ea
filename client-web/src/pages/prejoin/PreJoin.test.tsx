import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { RoomInfo } from '../../api/types';
import type { PreviewMedia } from '../../media/browserMedia';
import { failureFromDevice } from '../../media/livekitFailure';
import { LocalMedia } from '../../media/localMedia';
import { failure, type Failure } from '../../state/failure';
import { preferences } from '../../state/preferences';
import { PreJoin } from './PreJoin';

const room = {
  id: 'k3m9x2qa',
  name: 'Weekly',
  num_participants: 1,
  max_participants: 0,
  created_at: 0,
};

/** A browser that answers every request for a device with this error. */
function refusing(name: string, intent = { camera: true, microphone: true }): PreviewMedia {
  const opener = {
    open: () => Promise.reject(new DOMException('no', name)),
    explain: failureFromDevice,
    worthTryingAlone: () => Promise.resolve(false),
  };
  return new LocalMedia(opener, intent);
}

function show(media: PreviewMedia, problem?: Failure) {
  const onJoin = vi.fn();
  const page = (accountName?: string) => (
    <PreJoin
      room={room}
      encrypted={false}
      media={media}
      suggestedName={undefined}
      accountName={accountName}
      problem={problem}
      onJoin={onJoin}
    />
  );
  const { rerender } = render(page());
  return {
    onJoin,
    name: screen.getByTestId('prejoin-name'),
    /** The server says who is signed in, in its time. */
    know: (accountName: string) => {
      rerender(page(accountName));
    },
  };
}

beforeEach(() => {
  preferences.set({ name: '' });
});

describe('before joining', () => {
  it('who is signed in need not say their name, and may', async () => {
    const { onJoin, name, know } = show(refusing('NotAllowedError'));
    expect(name).toHaveValue('');
    know('Ada Lovelace');
    expect(name).toHaveValue('Ada Lovelace');
    await userEvent.clear(name);
    expect(name).toHaveValue('');
    await userEvent.type(name, 'Countess{Enter}');
    expect(onJoin).toHaveBeenCalledExactlyOnceWith('Countess', {});
  });

  it('somebody without camera and microphone is told why, once, and may still watch', async () => {
    const { onJoin, name } = show(refusing('NotAllowedError'));
    const note = await screen.findByTestId('failure');
    expect(note).toHaveAttribute('data-kind', 'permission_denied');
    expect(note).toHaveTextContent('Camera and microphone access is blocked');
    expect(screen.getByTestId('prejoin-join')).toHaveTextContent('Join to watch and listen');
    await userEvent.type(name, '  Ada {Enter}');
    expect(onJoin).toHaveBeenCalledExactlyOnceWith('Ada', {});
  });

  it('asks for a name rather than joining as nobody', async () => {
    const { onJoin } = show(refusing('x', { camera: false, microphone: false }));
    await userEvent.click(screen.getByTestId('prejoin-join'));
    expect(onJoin).not.toHaveBeenCalled();
    expect(screen.getByRole('alert')).toHaveTextContent('who you are');
  });

  it('remembers the name for next time', async () => {
    const media = refusing('x', { camera: false, microphone: false });
    const { name } = show(media);
    await userEvent.type(name, 'Ada');
    await userEvent.click(screen.getByTestId('prejoin-join'));
    expect(preferences.get().name).toBe('Ada');
  });

  it('shows what the server disliked about the name, where it can be changed', () => {
    const media = refusing('x', { camera: false, microphone: false });
    const { name } = show(
      media,
      failure('bad_name', { advice: 'Names have at most 64 characters.' }),
    );
    expect(name).toHaveAccessibleDescription('Names have at most 64 characters.');
  });

  it('a room with a password asks for it, and says when it was not the one', async () => {
    const media = refusing('x', { camera: false, microphone: false });
    const onJoin = vi.fn();
    render(
      <PreJoin
        room={{ ...room, has_password: true }}
        encrypted={false}
        media={media}
        suggestedName="Ada"
        problem={failure('wrong_password')}
        onJoin={onJoin}
      />,
    );
    const field = screen.getByTestId('prejoin-password');
    expect(field).toHaveAccessibleDescription(/not the password/);
    await userEvent.type(field, 's3cret{Enter}');
    expect(onJoin).toHaveBeenCalledExactlyOnceWith('Ada', { password: 's3cret' });
  });

  describe('who may be recorded', () => {
    function showRoom(change: Partial<RoomInfo>, problem?: Failure) {
      const onJoin = vi.fn();
      render(
        <PreJoin
          room={{ ...room, ...change }}
          encrypted={false}
          media={refusing('x', { camera: false, microphone: false })}
          suggestedName="Ada"
          problem={problem}
          onJoin={onJoin}
        />,
      );
      return onJoin;
    }
    const join = () => userEvent.click(screen.getByTestId('prejoin-join'));

    it('is told of a recording that goes on', async () => {
      const onJoin = showRoom({ is_recorded: true });
      expect(screen.getByTestId('prejoin-recorded')).toBeVisible();
      await join();
      expect(onJoin).toHaveBeenCalledExactlyOnceWith('Ada', {});
    });

    it.each([
      ['where the room says so', { asks_consent: true }, undefined],
      // It was turned on while one was on this page.
      ['where the door says so', {}, failure('consent_required')],
    ])('has to agree %s', async (_, change, problem) => {
      const onJoin = showRoom(change, problem);
      await join();
      expect(onJoin).not.toHaveBeenCalled();
      expect(screen.getByRole('alert')).toHaveTextContent(/Choose first/);
      await userEvent.click(screen.getByRole('radio', { name: 'I agree to be recorded' }));
      expect(screen.queryByRole('alert')).toBeNull();
      await join();
      expect(onJoin).toHaveBeenCalledExactlyOnceWith('Ada', { consents: true });
    });

    it('may decline, and is not asked why', async () => {
      window.history.replaceState(null, '', '/r/k3m9x2qa');
      const onJoin = showRoom({ asks_consent: true, is_recorded: true });
      await userEvent.click(screen.getByTestId('consent-declines'));
      expect(screen.getByText(/nothing of you is recorded/)).toHaveAttribute('role', 'status');
      expect(screen.queryByTestId('prejoin-join')).toBeNull();
      // By the key that sends the form as well.
      await userEvent.type(screen.getByTestId('prejoin-name'), '{Enter}');
      expect(onJoin).not.toHaveBeenCalled();
      await userEvent.click(screen.getByTestId('prejoin-home'));
      expect(window.location.pathname).toBe('/');
    });
  });

  it('the switches ask for the device again', async () => {
    const media = refusing('NotReadableError', { camera: false, microphone: false });
    show(media);
    await userEvent.click(screen.getByRole('button', { name: 'Turn camera on' }));
    expect(await screen.findByTestId('failure')).toHaveTextContent('Camera is busy in another app');
  });
});

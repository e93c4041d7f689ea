import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { TileView, type TileModel } from './TileView';

const ada: TileModel = {
  key: 'ada:camera',
  identity: 'ada-7f3k',
  name: 'Ada Lovelace',
  source: 'camera',
  local: false,
  micMuted: true,
  speaking: false,
  quality: 'poor',
};

it('carries the state that tests and screen readers look for', () => {
  render(<TileView tile={ada} />);
  const tile = screen.getByTestId('tile');
  expect(tile.dataset).toMatchObject({
    identity: 'ada-7f3k',
    local: 'false',
    source: 'camera',
    muted: 'true',
    quality: 'poor',
    speaking: 'false',
    video: 'false',
  });
  expect(tile).toHaveAccessibleName('Ada Lovelace, muted');
  expect(screen.getByRole('img', { name: 'Connection is poor' })).toBeVisible();
});

it('shows initials until the picture covers them, but none behind a shared screen', () => {
  const { rerender } = render(<TileView tile={ada} />);
  expect(screen.getByText('AL')).toBeVisible();
  rerender(<TileView tile={{ ...ada, source: 'screen_share' }} video={<canvas />} />);
  expect(screen.queryByText('AL')).toBeNull();
});

it('says why a picture stands still, with a face rather than a frozen frame', () => {
  const { rerender } = render(<TileView tile={{ ...ada, paused: true }} video={<canvas />} />);
  const note = screen.getByText('Paused to save bandwidth');
  expect(note).toBeVisible();
  expect(note.parentElement).toHaveTextContent('AL');
  expect(screen.getByTestId('tile')).toHaveAccessibleName('Ada Lovelace, muted, picture paused');
  rerender(<TileView tile={{ ...ada, paused: true }} />);
  expect(screen.queryByText(/Paused/)).toBeNull();
});

it('offers the details of a picture where there is one', async () => {
  const onInspect = vi.fn();
  const { rerender } = render(<TileView tile={ada} onInspect={onInspect} />);
  expect(screen.queryByTestId('tile-info')).toBeNull();
  rerender(<TileView tile={ada} video={<canvas />} onInspect={onInspect} />);
  const user = userEvent.setup();
  await user.tab();
  expect(screen.getByRole('button', { name: 'Picture details of Ada Lovelace' })).toHaveFocus();
  await user.keyboard('{Enter}');
  expect(onInspect).toHaveBeenCalledOnce();
});

it('my own tile says "You"; my own screen says so', () => {
  const { rerender } = render(<TileView tile={{ ...ada, local: true }} />);
  expect(screen.getByText('You')).toBeVisible();
  rerender(<TileView tile={{ ...ada, local: true, source: 'screen_share' }} />);
  expect(screen.getByText('Your screen')).toBeVisible();
});

it('a raised hand says whose turn it is, on the face and not on the screen', () => {
  const { rerender } = render(<TileView tile={{ ...ada, turn: 2 }} />);
  expect(screen.getByTestId('tile-hand')).toHaveTextContent('2');
  expect(screen.getByTestId('tile')).toHaveAccessibleName(/hand raised, number 2 in line/);
  rerender(<TileView tile={{ ...ada, turn: 2, source: 'screen_share' }} />);
  expect(screen.queryByTestId('tile-hand')).toBeNull();
});

import { act, render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../api/errors';
import { explained, track } from '../test/explanation';
import { PicturePanel } from './PicturePanel';
import { usePolled, type Polled } from '../ui/usePolled';
import type { Explanation } from '../api/types';

function show(report: Polled<Explanation>, onClose = vi.fn()) {
  render(<PicturePanel caption="Ada" pictureKey="ada:camera" report={report} onClose={onClose} />);
  return onClose;
}

describe('the picture panel', () => {
  it('gives the reason first and the figures behind it', () => {
    show({ status: 'ready', value: explained([track()]) });
    expect(screen.getByRole('complementary', { name: 'Picture details' })).toHaveFocus();
    expect(screen.getByRole('heading', { name: 'Ada' })).toBeVisible();
    expect(screen.getByRole('status')).toHaveTextContent(/no room for a sharper picture/);
    expect(screen.getByRole('region', { name: 'This picture' })).toHaveTextContent('640 × 360');
    expect(screen.getByRole('region', { name: 'Your connection' })).toHaveTextContent('48 ms');
  });

  it('says so while it waits, when it fails, and when the picture is not sent', () => {
    show({ status: 'waiting' });
    expect(screen.getByRole('status')).toHaveTextContent('Asking the server');
    show({ status: 'failed', error: new Error() });
    expect(screen.getAllByRole('status')[1]).toHaveTextContent('Trying again');
    show({ status: 'ready', value: explained([]) });
    expect(screen.getAllByRole('status')[2]).toHaveTextContent('not sent to you');
    show({ status: 'ready', value: explained([track()]), problem: new Error() });
    expect(screen.getAllByRole('status')[3]).toHaveTextContent('Trying again');
    show({ status: 'failed', error: new ApiError(403, 'not_permitted', 'no') });
    expect(screen.getAllByRole('status')[4]).toHaveTextContent('does not tell you');
  });

  it('closes by keyboard', async () => {
    const onClose = show({ status: 'ready', value: explained([track()]) });
    const user = userEvent.setup();
    await user.tab();
    await user.keyboard('{Enter}');
    expect(onClose).toHaveBeenCalledOnce();
  });
});

function Asked({ ask }: { ask: () => Promise<number> }) {
  const polled = usePolled(ask, 2000);
  if (polled.status !== 'ready') return <p>{polled.status}</p>;
  return <p>{polled.problem === undefined ? polled.value : `${String(polled.value)} of before`}</p>;
}

describe('asking again and again', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('asks every two seconds while it is open, and never after', async () => {
    let answers = 0;
    const ask = vi.fn(() =>
      answers === 1 ? Promise.reject(new Error(String(answers++))) : Promise.resolve(answers++),
    );
    const { unmount } = render(<Asked ask={ask} />);
    expect(screen.getByText('waiting')).toBeVisible();
    const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));
    await pass(0);
    expect(screen.getByText('0')).toBeVisible();
    await pass(1999);
    expect(ask).toHaveBeenCalledTimes(1);
    await pass(1);
    expect(screen.getByText('0 of before')).toBeVisible();
    await pass(2000);
    expect(screen.getByText('2')).toBeVisible();
    unmount();
    await pass(60_000);
    expect(ask).toHaveBeenCalledTimes(3);
  });
});

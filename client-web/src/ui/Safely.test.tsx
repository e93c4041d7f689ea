import { render, screen } from '@testing-library/react';
import { useEffect } from 'react';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Safely } from './Safely';

beforeEach(() => {
  // React says what it caught.
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
});
afterEach(() => {
  vi.restoreAllMocks();
});

function Call({ at, onHangUp }: { at: number; onHangUp: () => void }) {
  useEffect(() => onHangUp, [onHangUp]);
  return <time>{new Date(at).toISOString()}</time>;
}

describe('a view that fails while it is drawn', () => {
  it('is replaced by a card with a way on, and what it held is let go', () => {
    const onHangUp = vi.fn();
    const framed = (at: number, place = '/r/k3m9x2qa') => (
      <Safely place={place} frame={(card) => <main>{card}</main>}>
        <Call at={at} onHangUp={onHangUp} />
      </Safely>
    );
    const { rerender } = render(framed(0));
    expect(onHangUp).not.toHaveBeenCalled();
    rerender(framed(9e18));
    expect(screen.getByRole('main')).toContainElement(screen.getByTestId('broken'));
    expect(screen.getByRole('button', { name: 'Reload' })).toBeVisible();
    expect(onHangUp).toHaveBeenCalledOnce();
    rerender(framed(0, '/'));
    expect(screen.queryByTestId('broken')).toBeNull();
  });

  it('also without a frame', () => {
    render(
      <Safely>
        <Call at={9e18} onHangUp={() => undefined} />
      </Safely>,
    );
    expect(screen.getByRole('alert')).toHaveTextContent('Reload to go on');
  });
});

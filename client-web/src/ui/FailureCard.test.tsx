import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { failure } from '../state/failure';
import { FailureCard } from './FailureCard';

it('says what happened, offers what helps, and is where a screen reader starts', async () => {
  const onRetry = vi.fn();
  render(<FailureCard failure={failure('duplicate_identity')} onRetry={onRetry} />);
  expect(screen.getByTestId('failure')).toHaveAttribute('data-kind', 'duplicate_identity');
  expect(screen.getByRole('heading', { name: 'You joined from somewhere else' })).toHaveFocus();
  await userEvent.click(screen.getByRole('button', { name: 'Rejoin' }));
  expect(onRetry).toHaveBeenCalledOnce();
});

it('offers no retry that cannot help: a removed person only gets the way home', async () => {
  window.history.replaceState(null, '', '/r/k3m9x2qa');
  render(<FailureCard failure={failure('removed')} onRetry={() => undefined} />);
  expect(screen.queryByTestId('failure-retry')).toBeNull();
  await userEvent.click(screen.getByRole('button', { name: 'Go to home page' }));
  expect(window.location.pathname).toBe('/');
});

import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { RemoveDialog } from './RemoveDialog';

function show(locked: boolean) {
  const onRemove = vi.fn();
  render(<RemoveDialog name="Ben" locked={locked} onRemove={onRemove} onClose={() => undefined} />);
  return onRemove;
}

it('promises no more than is kept, and offers what keeps it', async () => {
  const onRemove = show(false);
  const keepOut = screen.getByTestId('remove-keep-out');
  expect(keepOut).toHaveAccessibleDescription(/another tab.*somebody new.*lock/);
  await userEvent.click(keepOut);
  await userEvent.click(screen.getByTestId('remove-lock'));
  await userEvent.click(screen.getByTestId('remove-confirm'));
  expect(onRemove).toHaveBeenCalledExactlyOnceWith({ keepOut: true, lock: true });
});

it('a locked room needs no lock', async () => {
  const onRemove = show(true);
  expect(screen.queryByTestId('remove-lock')).toBeNull();
  await userEvent.click(screen.getByTestId('remove-confirm'));
  expect(onRemove).toHaveBeenCalledExactlyOnceWith({ keepOut: false, lock: false });
});

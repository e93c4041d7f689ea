import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { Menu } from './Menu';

function show() {
  const mute = vi.fn();
  const remove = vi.fn();
  render(
    <>
      <Menu
        label="More for Ada"
        items={[
          { label: 'Mute', icon: 'micOff', onSelect: mute },
          { label: 'Remove', icon: 'door', danger: true, onSelect: remove },
        ]}
      >
        …
      </Menu>
      <p>elsewhere</p>
    </>,
  );
  return { mute, remove, button: screen.getByRole('button', { name: 'More for Ada' }) };
}

it('opens on its first item, moves by arrows and around the end, and gives the focus back', async () => {
  const { remove, button } = show();
  button.focus();
  await userEvent.keyboard('{Enter}');
  expect(button).toHaveAttribute('aria-expanded', 'true');
  expect(screen.getByRole('menuitem', { name: 'Mute' })).toHaveFocus();
  await userEvent.keyboard('{ArrowUp}');
  expect(screen.getByRole('menuitem', { name: 'Remove' })).toHaveFocus();
  await userEvent.keyboard('{Enter}');
  expect(remove).toHaveBeenCalledOnce();
  expect(screen.queryByRole('menu')).toBeNull();
  expect(button).toHaveFocus();
});

it('Escape closes the menu and nothing behind it', async () => {
  const behind = vi.fn();
  document.addEventListener('keydown', behind);
  const { button } = show();
  await userEvent.click(button);
  await userEvent.keyboard('{Escape}');
  expect(screen.queryByRole('menu')).toBeNull();
  expect(button).toHaveFocus();
  expect(behind).not.toHaveBeenCalled();
  document.removeEventListener('keydown', behind);
});

it('closes when one presses elsewhere, or the button again', async () => {
  const { mute, button } = show();
  await userEvent.click(button);
  await userEvent.click(screen.getByText('elsewhere'));
  expect(screen.queryByRole('menu')).toBeNull();
  await userEvent.click(button);
  await userEvent.click(button);
  expect(screen.queryByRole('menu')).toBeNull();
  expect(mute).not.toHaveBeenCalled();
});

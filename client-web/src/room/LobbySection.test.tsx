import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it } from 'vitest';
import { useState } from 'react';
import { LobbySection } from './LobbySection';
import { SidePanel } from './SidePanel';

function Door() {
  const [names, setNames] = useState(['Ada', 'Ben', 'Cy']);
  const takeOut = (ticket: string) => {
    setNames(names.filter((name) => name !== ticket));
  };
  return (
    <SidePanel title="People" onClose={() => undefined}>
      <LobbySection
        waiting={names.map((name) => ({ ticket: name, name, identity: name, since: 0 }))}
        onAdmit={takeOut}
        onRefuse={takeOut}
        onAdmitAll={() => {
          setNames([]);
        }}
      />
    </SidePanel>
  );
}

it('one goes through the line by the keyboard, without looking for the place each time', async () => {
  render(<Door />);
  await userEvent.click(screen.getByRole('button', { name: 'Admit Ada' }));
  expect(screen.getByRole('button', { name: 'Admit Ben' })).toHaveFocus();
  await userEvent.click(screen.getByRole('button', { name: 'Refuse Cy' }));
  expect(screen.getByRole('button', { name: 'Refuse Ben' })).toHaveFocus();
  await userEvent.keyboard('{Enter}');
  expect(screen.queryByTestId('lobby-panel')).toBeNull();
  expect(screen.getByRole('complementary', { name: 'People' })).toHaveFocus();
});

it('after all at once the focus is in the panel', async () => {
  render(<Door />);
  await userEvent.click(screen.getByTestId('admit-all'));
  expect(screen.getByRole('complementary', { name: 'People' })).toHaveFocus();
});

import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { PeoplePanel, type PersonModel } from './PeoplePanel';

const person = (name: string, change: Partial<PersonModel> = {}): PersonModel => ({
  identity: name.toLowerCase(),
  name,
  local: false,
  micOn: true,
  cameraOn: true,
  sharing: false,
  speaking: false,
  quality: 'good',
  role: 'participant',
  turn: undefined,
  ...change,
});
const crowd = [
  person('Ada', { local: true, role: 'host' }),
  person('Ben', { turn: 2 }),
  person('Cy', { turn: 1, role: 'therapist' }),
];
const nothing = () => undefined;

it('hands come first, in their order; roles are said where they mean something', () => {
  render(<PeoplePanel people={crowd} onCopy={nothing} onClose={nothing} />);
  const rows = screen.getAllByTestId('people-row');
  expect(rows.map((row) => row.dataset.identity)).toEqual(['cy', 'ben', 'ada']);
  expect(rows[0]).toHaveTextContent('therapist');
  expect(rows[2]).toHaveTextContent('Host');
  expect(rows[1]).not.toHaveTextContent('participant');
  expect(screen.getByRole('img', { name: 'Hand raised, number 2 in line' })).toBeVisible();
  expect(screen.queryByTestId('person-menu')).toBeNull();
});

it('a host has a menu for everybody else', async () => {
  const onAction = vi.fn();
  render(<PeoplePanel people={crowd} onAction={onAction} onCopy={nothing} onClose={nothing} />);
  expect(screen.getAllByTestId('person-menu')).toHaveLength(2);
  await userEvent.click(screen.getByRole('button', { name: 'Actions for Ben' }));
  await userEvent.click(screen.getByRole('menuitem', { name: 'Make host' }));
  expect(onAction).toHaveBeenCalledExactlyOnceWith(crowd[1], { type: 'role', role: 'host' });
});

import { fireEvent, render, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it } from 'vitest';
import { LineChart } from './LineChart';

const points = [
  { at: 0, value: 10 },
  { at: 10_000, value: 30 },
  { at: 20_000, value: 20 },
];
const format = (value: number) => `${String(value)} ms`;

it('says what it shows, and gives the same figures as a table', async () => {
  render(
    <LineChart title="Round trip" series={[{ name: 'Round trip', points }]} format={format} />,
  );
  expect(screen.getByRole('figure', { name: /Round trip/ })).toBeVisible();
  expect(screen.getByRole('img')).toHaveAccessibleName(
    'Round trip: from 10 ms to 30 ms, last 20 ms',
  );
  await userEvent.click(screen.getByText(/As a table/));
  const table = await screen.findByRole('table');
  expect(within(table).getAllByRole('row')).toHaveLength(4);
  expect(within(table).getByRole('cell', { name: '30 ms' })).toBeVisible();
});

it('shows the value one points at, else the last', () => {
  render(
    <LineChart title="Round trip" series={[{ name: 'Round trip', points }]} format={format} />,
  );
  const caption = screen.getByText('Round trip').parentElement;
  expect(caption).toHaveTextContent('20 ms');
  fireEvent.pointerMove(screen.getByRole('img'), { clientX: 320 });
  expect(caption).toHaveTextContent('30 ms');
  fireEvent.pointerLeave(screen.getByRole('img'));
  expect(caption).toHaveTextContent('20 ms');
});

it('the arrow keys go along the line, and say where one is', async () => {
  render(
    <LineChart title="Round trip" series={[{ name: 'Round trip', points }]} format={format} />,
  );
  const slider = screen.getByRole('slider', { name: 'Round trip: moment' });
  expect(slider).toHaveAttribute('aria-valuetext', expect.stringMatching(/Round trip 20 ms$/));
  await userEvent.tab();
  expect(slider).toHaveFocus();
  fireEvent.change(slider, { target: { value: '1' } });
  expect(slider).toHaveAttribute('aria-valuetext', expect.stringMatching(/:10.*Round trip 30 ms$/));
  expect(screen.getByText('Round trip').parentElement).toHaveTextContent('30 ms');
  await userEvent.tab();
  expect(screen.getByText('Round trip').parentElement).toHaveTextContent('20 ms');
});

it('two lines are told apart by name and stroke; none is said to be none', () => {
  const { container, rerender } = render(
    <LineChart
      title="Both"
      series={[
        { name: 'A', points },
        { name: 'B', points },
      ]}
      format={format}
    />,
  );
  expect(container.querySelectorAll('.chart-line-1')).toHaveLength(2);
  rerender(<LineChart title="Both" series={[{ name: 'A', points: [] }]} format={format} />);
  expect(screen.getByText('Nothing measured yet.')).toBeVisible();
});

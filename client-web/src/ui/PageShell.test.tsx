import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { useAddress } from '../app/navigation';
import { respond } from '../test/respond';
import { Link } from './Link';
import { PageShell } from './PageShell';

function First() {
  return (
    <PageShell title="First">
      <Link to="/second">On</Link>
    </PageShell>
  );
}

function Second() {
  return (
    <PageShell title="Second">
      <p>Here</p>
    </PageShell>
  );
}

function Pages() {
  return useAddress() === '/second' ? <Second /> : <First />;
}

it('the next page begins at its top, for eyes and for screen readers', async () => {
  respond({});
  const scroll = vi.spyOn(window, 'scrollTo');
  window.history.replaceState(null, '', '/first');
  render(<Pages />);
  // The page a tab opens with is the browser's to begin.
  expect(document.body).toHaveFocus();
  await userEvent.click(screen.getByRole('link', { name: 'On' }));
  expect(screen.getByRole('main')).toHaveTextContent('Here');
  expect(screen.getByRole('main')).toHaveFocus();
  expect(scroll).toHaveBeenCalledWith(0, 0);
});

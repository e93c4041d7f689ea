import { useEffect, useRef, type ReactNode } from 'react';
import { hasNavigated } from '../app/navigation';
import { AccountMenu } from '../account/AccountMenu';
import { Link } from './Link';
import { Logo } from './Logo';
import { ThemeToggle } from './ThemeToggle';

interface PageShellProps {
  title: string;
  /** Pages to read and to work with begin at the top; the others sit in the middle. */
  wide?: boolean;
  children: ReactNode;
}

/** The frame of every page outside a call. */
export function PageShell({ title, wide = false, children }: PageShellProps) {
  useTitle(title);
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    // The link that led here is gone, and the focus with it: reading goes on where the page begins.
    if (hasNavigated() && document.activeElement === document.body) {
      main.current?.focus({ preventScroll: true });
    }
  }, []);
  return (
    <div className="page">
      <header className="page-head">
        <Link className="brand" to="/">
          <Logo />
          <span>Sluice</span>
        </Link>
        <div className="page-tools">
          <AccountMenu />
          <ThemeToggle />
        </div>
      </header>
      <main ref={main} tabIndex={-1} className={wide ? 'page-main page-wide' : 'page-main'}>
        {children}
      </main>
    </div>
  );
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title === '' ? 'Sluice' : `${title} · Sluice`;
  }, [title]);
}

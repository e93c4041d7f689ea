import { useEffect, type ReactNode } from 'react';
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
      <main className={wide ? 'page-main page-wide' : 'page-main'}>{children}</main>
    </div>
  );
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title === '' ? 'Sluice' : `${title} · Sluice`;
  }, [title]);
}

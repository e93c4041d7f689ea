import { useEffect, type ReactNode } from 'react';
import { navigate } from '../app/navigation';
import { Logo } from './Logo';
import { ThemeToggle } from './ThemeToggle';

/** The frame of every page outside a call. */
export function PageShell({ title, children }: { title: string; children: ReactNode }) {
  useTitle(title);
  return (
    <div className="page">
      <header className="page-head">
        <a
          className="brand"
          href="/"
          onClick={(event) => {
            if (event.metaKey || event.ctrlKey || event.shiftKey) return;
            event.preventDefault();
            navigate('/');
          }}
        >
          <Logo />
          <span>Sluice</span>
        </a>
        <ThemeToggle />
      </header>
      <main className="page-main">{children}</main>
    </div>
  );
}

export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title === '' ? 'Sluice' : `${title} · Sluice`;
  }, [title]);
}

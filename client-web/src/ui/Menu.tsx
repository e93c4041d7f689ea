import { useEffect, useId, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { Icon, type IconName } from './Icon';
import { menuPlace } from './menuPlace';

export interface MenuItem {
  label: string;
  icon?: IconName;
  /** In place of an icon and of words, in a row of such. */
  emoji?: string;
  danger?: boolean;
  testId?: string;
  onSelect: () => void;
}

interface MenuProps {
  /** What the button is called, for those who cannot see what is in it. */
  label: string;
  /** What is in the button. */
  children: ReactNode;
  items: readonly MenuItem[];
  className?: string;
  testId?: string;
  /** A line above the items that says whose menu it is. */
  heading?: string;
  /** `row` for emojis side by side. */
  layout?: 'list' | 'row';
}

/** A button and what one can do with it: arrows move, Escape closes, the focus comes back. */
export function Menu({
  label,
  children,
  items,
  className,
  testId,
  heading,
  layout = 'list',
}: MenuProps) {
  const [place, setPlace] = useState<ReturnType<typeof menuPlace>>();
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  const open = place !== undefined;

  const toggle = () => {
    if (open || !button.current) return setPlace(undefined);
    const box = button.current.getBoundingClientRect();
    const lines = (layout === 'row' ? 1 : items.length) + (heading === undefined ? 0 : 1);
    setPlace(menuPlace(box, lines, { width: window.innerWidth, height: window.innerHeight }));
  };
  const close = (focus: boolean) => {
    setPlace(undefined);
    if (focus) button.current?.focus();
  };

  return (
    <>
      <button
        ref={button}
        type="button"
        className={className ?? 'icon-button'}
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        data-testid={testId}
        onClick={toggle}
      >
        {children}
      </button>
      {place && (
        <MenuList
          id={id}
          label={label}
          heading={heading}
          layout={layout}
          items={items}
          place={place}
          close={close}
        />
      )}
    </>
  );
}

interface MenuListProps {
  id: string;
  label: string;
  heading: string | undefined;
  layout: 'list' | 'row';
  items: readonly MenuItem[];
  place: ReturnType<typeof menuPlace>;
  close: (focus: boolean) => void;
}

function MenuList({ id, label, heading, layout, items, place, close }: MenuListProps) {
  const ref = useRef<HTMLDivElement>(null);
  const latestClose = useRef(close);
  useEffect(() => {
    latestClose.current = close;
  });
  useEffect(() => {
    ref.current?.querySelector<HTMLElement>('[role="menuitem"]')?.focus();
    const onPointer = (event: PointerEvent) => {
      if (event.target instanceof Node && ref.current?.contains(event.target)) return;
      // The button itself toggles: closing here as well would open it again.
      if (event.target instanceof Element && event.target.closest(`[aria-controls="${id}"]`))
        return;
      latestClose.current(false);
    };
    const onMove = () => {
      latestClose.current(false);
    };
    document.addEventListener('pointerdown', onPointer);
    window.addEventListener('resize', onMove);
    return () => {
      document.removeEventListener('pointerdown', onPointer);
      window.removeEventListener('resize', onMove);
    };
  }, [id]);

  const onKeyDown = (event: KeyboardEvent) => {
    const all = [...(ref.current?.querySelectorAll<HTMLElement>('[role="menuitem"]') ?? [])];
    const at = all.findIndex((one) => one === document.activeElement);
    const to = {
      ArrowDown: at + 1,
      ArrowRight: at + 1,
      ArrowUp: at - 1,
      ArrowLeft: at - 1,
      Home: 0,
      End: all.length - 1,
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      all[(to + all.length) % all.length]?.focus();
    } else if (event.key === 'Escape') {
      // Only the menu closes, not the panel it is in.
      event.preventDefault();
      event.stopPropagation();
      close(true);
    } else if (event.key === 'Tab') {
      close(true);
    }
  };

  return (
    <div
      ref={ref}
      id={id}
      className={layout === 'row' ? 'menu menu-row' : 'menu'}
      role="menu"
      tabIndex={-1}
      aria-label={label}
      style={place}
      onKeyDown={onKeyDown}
    >
      {heading !== undefined && (
        <p className="menu-heading" role="presentation">
          {heading}
        </p>
      )}
      {items.map((item) => (
        <button
          key={item.label}
          type="button"
          role="menuitem"
          tabIndex={-1}
          className={item.danger === true ? 'menu-item menu-item-danger' : 'menu-item'}
          data-testid={item.testId}
          onClick={() => {
            close(true);
            item.onSelect();
          }}
        >
          {item.emoji === undefined ? (
            <>
              {item.icon && <Icon name={item.icon} size={18} />}
              <span>{item.label}</span>
            </>
          ) : (
            <span role="img" aria-label={item.label} title={item.label}>
              {item.emoji}
            </span>
          )}
        </button>
      ))}
    </div>
  );
}

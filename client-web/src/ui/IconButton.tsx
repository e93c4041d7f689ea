import type { ButtonHTMLAttributes } from 'react';
import { Icon, type IconName } from './Icon';

interface IconButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  icon: IconName;
  /** What a screen reader says and the tooltip shows. */
  label: string;
  shortcut?: string;
  /** `off` = a device that is off, `active` = a panel or share that is on, `danger` = leave. */
  tone?: 'plain' | 'off' | 'active' | 'danger';
  badge?: number;
  /** What the badge counts. */
  badgeWord?: string;
  iconSize?: number;
}

export function IconButton({
  icon,
  label,
  shortcut,
  tone = 'plain',
  badge = 0,
  badgeWord = 'unread',
  iconSize,
  ...rest
}: IconButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      className={`icon-button icon-button-${tone} ${rest.className ?? ''}`}
      aria-label={badge > 0 ? `${label}, ${String(badge)} ${badgeWord}` : label}
      aria-keyshortcuts={shortcut}
      title={shortcut === undefined ? label : `${label} (${shortcut})`}
    >
      <Icon name={icon} {...(iconSize === undefined ? {} : { size: iconSize })} />
      {badge > 0 && (
        <span className="badge" aria-hidden="true">
          {badge > 99 ? '99+' : badge}
        </span>
      )}
    </button>
  );
}

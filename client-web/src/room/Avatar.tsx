import type { CSSProperties } from 'react';
import { hue, initials } from '../state/people';
import { Icon } from '../ui/Icon';

/** A face for people whose camera is off. The hue stays with the identity. */
export function Avatar({
  name,
  identity,
  small = false,
}: {
  name: string;
  identity: string;
  small?: boolean;
}) {
  return (
    <span
      className={small ? 'avatar avatar-small' : 'avatar'}
      style={{ '--hue': hue(identity) } as CSSProperties}
      aria-hidden="true"
    >
      {initials(name) || <Icon name="person" size={40} />}
    </span>
  );
}

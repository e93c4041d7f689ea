import { useId } from 'react';
import { Icon, type IconName } from './Icon';
import type { DeviceOption } from '../state/devices';

interface SelectProps {
  label: string;
  icon: IconName;
  options: readonly DeviceOption[];
  value: string;
  /** Shown when there is nothing to choose from. */
  empty: string;
  onChange: (id: string) => void;
}

/** The platform's own select: on a phone nothing beats it. */
export function Select({ label, icon, options, value, empty, onChange }: SelectProps) {
  const id = useId();
  return (
    <div className="select">
      <label htmlFor={id} className="visually-hidden">
        {label}
      </label>
      <Icon name={icon} size={20} />
      <select
        id={id}
        value={value}
        disabled={options.length === 0}
        onChange={(event) => {
          onChange(event.target.value);
        }}
      >
        {options.length === 0 && <option value="">{empty}</option>}
        {options.map((option) => (
          <option key={option.id} value={option.id}>
            {option.label}
          </option>
        ))}
      </select>
    </div>
  );
}

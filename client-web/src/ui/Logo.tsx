/** A gate with water running through it. */
export function Logo({ size = 32 }: { size?: number }) {
  const wave = 'c2.4-2.2 4.6-2.2 7 0s4.6 2.2 7 0';
  return (
    <svg className="logo" viewBox="0 0 32 32" width={size} height={size} aria-hidden="true">
      <rect className="logo-plate" width="32" height="32" rx="9" />
      <path className="logo-water" d={`M9 11.5${wave}M9 17${wave}M9 22.5${wave}`} />
      <path className="logo-gate" d="M9 7v18M23 7v18" />
    </svg>
  );
}

export function ReconnectingBanner() {
  return (
    <div className="banner" role="alert" data-testid="reconnecting">
      <span className="spinner" aria-hidden="true" />
      <span>Connection interrupted. Getting you back…</span>
    </div>
  );
}

import { Button } from '../ui/Button';

/** For the first one in, and the last one left: an empty room should say how to fill it. */
export function InviteCard({ link, onCopy }: { link: string; onCopy: () => void }) {
  return (
    <section className="invite" aria-label="Invite others">
      <div>
        <strong>You are the only one here.</strong>
        <span className="invite-link">{link.replace(/^https?:\/\//, '')}</span>
      </div>
      <Button look="primary" icon="link" onClick={onCopy}>
        Copy link
      </Button>
    </section>
  );
}

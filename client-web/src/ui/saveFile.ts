/** Hands a file to the browser's downloads. */
export function saveFile(content: Blob, name: string): void {
  const url = URL.createObjectURL(content);
  follow(url, { download: name });
  // Not at once: the browser may read it only after this task.
  window.setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 60_000);
}

/**
 * Lets the browser fetch a file that is too large to be held by a page. Where it is kept elsewhere, its address is
 * signed as it is and a browser takes no wish for another host's file: it opens beside this page.
 */
export function saveFrom(address: string, name: string): void {
  const url = new URL(address, window.location.href);
  const own = url.origin === window.location.origin;
  if (own) url.searchParams.set('download', '1');
  follow(url.href, own ? { download: name } : { target: '_blank', rel: 'noopener' });
}

function follow(href: string, how: Partial<HTMLAnchorElement>): void {
  const link = Object.assign(document.createElement('a'), { href, ...how });
  document.body.append(link);
  link.click();
  link.remove();
}

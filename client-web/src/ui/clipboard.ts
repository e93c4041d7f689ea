/** Copies text; says whether it worked. Plain http pages have no clipboard API, hence the old way. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text: string): boolean {
  const area = document.createElement('textarea');
  area.value = text;
  area.style.position = 'fixed';
  area.style.opacity = '0';
  document.body.append(area);
  area.select();
  try {
    // Deprecated and still the only way on http://host: pages.
    return document.execCommand('copy');
  } catch {
    return false;
  } finally {
    area.remove();
  }
}

/** Settings as the server tells them, a tree, as groups of lines: one group for each table of the file. */

export interface SettingGroup {
  /** `accounts.oidc`; empty for what stands outside of tables. */
  name: string;
  settings: { key: string; value: string }[];
}

export function settingGroups(tree: unknown, name = ''): SettingGroup[] {
  if (!isTable(tree)) return [];
  const entries = Object.entries(tree);
  const own = entries.filter(([, value]) => !isTable(value));
  const tables = entries.filter(([, value]) => isTable(value));
  const group: SettingGroup = {
    name,
    settings: own.map(([key, value]) => ({ key, value: inWords(value) })),
  };
  return [
    ...(own.length === 0 ? [] : [group]),
    ...tables.flatMap(([key, value]) => settingGroups(value, name === '' ? key : `${name}.${key}`)),
  ];
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function inWords(value: unknown): string {
  if (value === null || value === undefined || value === '') return 'not set';
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(inWords).join(', ');
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

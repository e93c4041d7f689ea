/**
 * An OpenAPI 3 document as a page reads it: operations in groups, schemas as lines. Only what the page
 * shows is understood; what is not is left out, never guessed.
 */

export interface Operation {
  id: string;
  method: string;
  path: string;
  summary: string;
  description: string;
  /** Ways to show who one is, and whether one may show nothing; `undefined` where nothing is said. */
  security: { ways: readonly string[]; optional: boolean } | undefined;
  parameters: readonly Parameter[];
  body: Shape | undefined;
  responses: readonly { status: string; description: string; shape: Shape | undefined }[];
}

export interface Parameter {
  name: string;
  in: string;
  required: boolean;
  type: string;
  description: string;
}

/** A schema as a word and, for objects, its fields. */
export interface Shape {
  type: string;
  fields: readonly Field[];
}

export interface Field {
  name: string;
  type: string;
  required: boolean;
  description: string;
  fields: readonly Field[];
}

export interface ApiDocument {
  title: string;
  version: string;
  description: string;
  groups: readonly { name: string; description: string; operations: readonly Operation[] }[];
}

type Json = Record<string, unknown>;

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;
/** Deeper than any answer of ours; a schema that contains itself ends here. */
const DEPTH = 4;

export function readDocument(document: unknown): ApiDocument {
  const root = object(document);
  const info = object(root.info);
  const tags = list(root.tags).map(object);
  const groups = new Map<string, Operation[]>(tags.map((tag) => [text(tag.name), []]));
  for (const [path, item] of Object.entries(object(root.paths))) {
    const shared = list(object(item).parameters);
    for (const method of METHODS) {
      const raw = object(item)[method];
      if (raw === undefined) continue;
      const operation = object(raw);
      const group = text(list(operation.tags)[0]) || groupOf(path);
      const known = groups.get(group) ?? [];
      groups.set(group, [...known, readOperation(root, path, method, operation, shared)]);
    }
  }
  return {
    title: text(info.title),
    version: text(info.version),
    description: text(info.description),
    groups: [...groups]
      .filter(([, operations]) => operations.length > 0)
      .map(([name, operations]) => ({
        name,
        description: text(tags.find((tag) => tag.name === name)?.description),
        operations,
      })),
  };
}

/** `/api/rooms/{id}` belongs to `rooms`. */
function groupOf(path: string): string {
  return path.split('/').find((part) => part !== '' && part !== 'api') ?? path;
}

function readOperation(
  root: Json,
  path: string,
  method: string,
  operation: Json,
  shared: readonly unknown[],
): Operation {
  const security = operation.security ?? root.security;
  return {
    id: `${method}-${path.replace(/[^a-zA-Z0-9]+/g, '-').replace(/^-|-$/g, '')}`,
    method: method.toUpperCase(),
    path,
    summary: text(operation.summary) || firstLine(text(operation.description)),
    description: text(operation.description),
    security: security === undefined ? undefined : securityOf(list(security).map(object)),
    parameters: [...shared, ...list(operation.parameters)].map((raw) => {
      const parameter = resolve(root, raw);
      return {
        name: text(parameter.name),
        in: text(parameter.in),
        required: parameter.required === true,
        type: typeOf(root, parameter.schema),
        description: text(parameter.description),
      };
    }),
    body: shapeOfContent(root, resolve(root, operation.requestBody).content),
    responses: Object.entries(object(operation.responses)).map(([status, raw]) => {
      const response = resolve(root, raw);
      return {
        status,
        description: text(response.description),
        shape: shapeOfContent(root, response.content),
      };
    }),
  };
}

/** An empty entry among others says that one may come without. */
function securityOf(entries: readonly Json[]): Operation['security'] {
  const ways = [...new Set(entries.flatMap((one) => Object.keys(one)))];
  return { ways, optional: entries.some((one) => Object.keys(one).length === 0) };
}

function firstLine(description: string): string {
  return description.split('\n')[0] ?? '';
}

function shapeOfContent(root: Json, content: unknown): Shape | undefined {
  const [first] = Object.values(object(content));
  const schema = object(first).schema;
  return schema === undefined
    ? undefined
    : { type: typeOf(root, schema), fields: fieldsOf(root, schema) };
}

/** `inside`: the schemas one is in already, so that one that contains itself ends there. */
function fieldsOf(root: Json, schema: unknown, inside: readonly unknown[] = []): Field[] {
  const resolved = resolve(root, schema);
  if (inside.includes(resolved) || inside.length >= DEPTH) return [];
  const within = [...inside, resolved];
  if (resolved.items !== undefined) return fieldsOf(root, resolved.items, inside);
  const parts = [...list(resolved.allOf), ...list(resolved.oneOf), ...list(resolved.anyOf)].filter(
    (part) => resolve(root, part).type !== 'null',
  );
  const own = Object.entries(object(resolved.properties)).map(([name, property]) => ({
    name,
    type: typeOf(root, property),
    required: list(resolved.required).includes(name),
    description: text(resolve(root, property).description) || text(object(property).description),
    fields: fieldsOf(root, property, within),
  }));
  const inherited = parts.flatMap((part) => fieldsOf(root, part, inside));
  // Several forms of one answer share fields: each is shown once.
  const seen = new Set<string>();
  return [...own, ...inherited].filter(({ name }) => !seen.has(name) && Boolean(seen.add(name)));
}

function typeOf(root: Json, schema: unknown, depth = DEPTH): string {
  const raw = object(schema);
  const resolved = resolve(root, schema);
  if (depth === 0) return 'any';
  if (typeof raw.$ref === 'string' && resolved.enum === undefined) return nameOf(raw.$ref);
  if (resolved.enum !== undefined)
    return list(resolved.enum)
      .map((one) => JSON.stringify(one))
      .join(' | ');
  const forms = [...list(resolved.oneOf), ...list(resolved.anyOf), ...list(resolved.allOf)];
  if (forms.length > 0) {
    return [...new Set(forms.map((form) => typeOf(root, form, depth - 1)))].join(' | ');
  }
  const types = Array.isArray(resolved.type) ? resolved.type.map(text) : [text(resolved.type)];
  return types
    .map((type) => {
      if (type === 'array') return `${typeOf(root, resolved.items, depth - 1)}[]`;
      const format = text(resolved.format);
      return format === '' || type === 'null' ? type || 'any' : `${type} (${format})`;
    })
    .join(' | ');
}

function nameOf(reference: string): string {
  return reference.split('/').at(-1) ?? reference;
}

/** Follows references inside the document; one that leads nowhere, or in a circle, is empty. */
function resolve(root: Json, value: unknown): Json {
  let current = object(value);
  for (let step = 0; step < 8; step++) {
    const { $ref } = current;
    if (typeof $ref !== 'string') return current;
    current = object(
      $ref
        .replace(/^#\//, '')
        .split('/')
        .reduce<unknown>((at, part) => object(at)[part.replaceAll('~1', '/')], root),
    );
  }
  return {};
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Json)
    : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

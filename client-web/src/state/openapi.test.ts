import { describe, expect, it } from 'vitest';
import { readDocument } from './openapi';

const document = {
  openapi: '3.1.0',
  info: { title: 'Sluice API', version: '0.1.0' },
  tags: [{ name: 'rooms', description: 'Rooms.' }, { name: 'empty' }],
  components: {
    schemas: {
      Room: {
        type: 'object',
        required: ['id'],
        properties: {
          id: { type: 'string', description: 'Eight letters.' },
          next: { $ref: '#/components/schemas/Room' },
          state: { type: ['string', 'null'] },
          people: { type: 'array', items: { $ref: '#/components/schemas/Person' } },
        },
      },
      Person: { type: 'object', properties: { role: { enum: ['host', 'guest'] } } },
    },
  },
  paths: {
    '/api/rooms/{id}': {
      parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }],
      get: {
        tags: ['rooms'],
        description: 'Looks at a room.\nAnybody may.',
        responses: {
          '200': {
            description: 'It.',
            content: { 'application/json': { schema: { $ref: '#/components/schemas/Room' } } },
          },
        },
      },
    },
    '/api/people': {
      post: {
        security: [{}, { token: [] }],
        requestBody: {
          content: {
            'application/json': { schema: { oneOf: [{ type: 'null' }, { $ref: '#/no' }] } },
          },
        },
        responses: {},
      },
    },
  },
};

describe('an API document', () => {
  const [rooms, people] = readDocument(document).groups;

  it('has its operations in groups, by tag or by path', () => {
    expect(readDocument(document).groups.map(({ name }) => name)).toEqual(['rooms', 'people']);
    expect(rooms?.operations[0]).toMatchObject({
      id: 'get-api-rooms-id',
      method: 'GET',
      summary: 'Looks at a room.',
      security: undefined,
      parameters: [{ name: 'id', in: 'path', required: true, type: 'string' }],
    });
    expect(people?.operations[0]?.security).toEqual({ ways: ['token'], optional: true });
  });

  it('unfolds schemas, and ends where one contains itself', () => {
    const shape = rooms?.operations[0]?.responses[0]?.shape;
    expect(shape?.type).toBe('Room');
    expect(shape?.fields).toMatchObject([
      { name: 'id', type: 'string', required: true, description: 'Eight letters.' },
      { name: 'next', type: 'Room', fields: [] },
      { name: 'state', type: 'string | null' },
      { name: 'people', type: 'Person[]', fields: [{ name: 'role', type: '"host" | "guest"' }] },
    ]);
  });

  it('a document that is none is empty, and a reference to nothing does no harm', () => {
    expect(people?.operations[0]?.body).toMatchObject({ fields: [] });
    for (const wrong of [undefined, null, 'x', [], { paths: { '/x': null } }]) {
      expect(readDocument(wrong).groups).toEqual([]);
    }
  });
});

#!/usr/bin/env python3
"""Generates ops_messages.c: random filling and JSON dumping of every message, and the table.

    gen_ops.py SCHEMA_DIR OUT SCHEMA.msg...
"""

import sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])

import gen_code  # noqa: E402
import gen_header  # noqa: E402
import gen_model  # noqa: E402

LIMITS = {'i8': 'INT8_MIN, INT8_MAX', 'i16': 'INT16_MIN, INT16_MAX', 'u16': '0, UINT16_MAX',
          'i32': 'INT32_MIN, INT32_MAX', 'i64': 'INT64_MIN, INT64_MAX'}


def fill_value(field, nullable):
    if field.type in LIMITS:
        return '(%s)fill_number(f, %s)' % (gen_model.SCALARS[field.type], LIMITS[field.type])
    if field.type == 'bool':
        return 'random_one_in(&f->random, 2)'
    if field.type == 'uuid':
        return 'fill_uuid(f)'
    return 'fill_text(f, %s, %s)' % (nullable, 'true' if field.type == 'string' else 'false')


def item_type(field):
    return gen_header.c_type(field)[:-len('_array')] if field.struct else (
        'struct chain' if field.type == 'string' else gen_model.SCALARS[field.type])


def fill_field(field, struct):
    name = 'm->' + field.name
    nullable = gen_code.truth(field.nulls, struct.versions)
    if field.is_array:
        item = ('%s_fill(f, v, &items[i]);' % field.struct.c_name if field.struct else
                'items[i] = %s;' % fill_value(field, 'false'))
        lines = ['%s.count = fill_count(f, %s);' % (name, nullable),
                 'if (%s.count > 0) {' % name,
                 '    %s *items = fill_take(f, (size_t)%s.count * sizeof(*items));' % (
                     item_type(field), name),
                 '    for (int32_t i = 0; i < %s.count; i++) {' % name, '        ' + item, '    }',
                 '    %s.items = items;' % name, '}']
    elif field.type == 'struct':
        lines = ['%s_fill(f, v, &%s);' % (field.struct.c_name, name)]
        if field.nulls:
            lines = ['m->has_%s = random_one_in(&f->random, 2);' % field.name,
                     'if (m->has_%s) {' % field.name, '    ' + lines[0], '} else {',
                     '    %s = %s_default;' % (name, field.struct.c_name), '}']
    else:
        lines = ['%s = %s;' % (name, fill_value(field, nullable))]
    there = gen_code.condition(field.versions, struct.versions)
    if field.tag is not None:
        there = ' && '.join(filter(None, [there, '!random_one_in(&f->random, 3)']))
    return ['if (%s) {' % there] + gen_code.indent(lines) + ['}'] if there else lines


def dump_value(field, name):
    if field.struct:
        return '%s_dump(file, v, &%s);' % (field.struct.c_name, name)
    kind = {'string': 'text', 'bytes': 'blob', 'records': 'records', 'uuid': 'uuid',
            'bool': 'bool'}.get(field.type, 'number')
    return 'dump_%s(file, %s);' % (kind, name)


def dump_field(field, struct):
    name = 'm->' + field.name
    if field.is_array:
        lines = ['if (%s.count < 0) {' % name, '    fputs("null", file);', '} else {',
                 '    %s walk = %s;' % (gen_header.c_type(field), name),
                 '    %s item;' % item_type(field),
                 "    char before = '[';",
                 '    if (walk.count == 0) {', "        fputc('[', file);", '    }',
                 '    while (%s_next(&walk, &item)) {' % gen_header.c_type(field)[7:],
                 '        fputc(before, file);', "        before = ',';",
                 '        ' + dump_value(field, 'item'), '    }', "    fputc(']', file);", '}']
    elif field.struct and field.nulls:
        lines = ['if (m->has_%s) {' % field.name, '    ' + dump_value(field, name), '} else {',
                 '    fputs("null", file);', '}']
    else:
        lines = [dump_value(field, name)]
    shown = '"%s"' % field.name
    if field.type == 'records':  # As Kafka does: the size, under a name of its own.
        shown = 'chain_is_null(%s) ? "%s" : "%s_size_in_bytes"' % (name, field.name, field.name)
    lines.insert(0, 'dump_name(file, %s, &is_first);' % shown)
    there = gen_code.condition(field.versions, struct.versions)
    if field.tag is not None:
        there = ' && '.join(filter(None, [there, gen_code.differs(field)]))
    return ['if (%s) {' % there] + gen_code.indent(lines) + ['}'] if there else lines


def struct_functions(struct, singles):
    name = struct.c_name
    lines = []
    if struct in singles:
        lines += gen_code.is_default_text(struct)
    body = ['(void)f;', '(void)v;', '*m = %s_default;' % name]
    for field in struct.fields:
        body += fill_field(field, struct)
    lines += gen_code.function('static void', name + '_fill',
                               'struct fill *f, int16_t v, struct %s *m' % name, body)
    body = ['bool is_first = true;', '(void)is_first;', '(void)v;', '(void)m;',
            "fputc('{', file);"]
    for field in struct.fields:
        body += dump_field(field, struct)
    body.append("fputc('}', file);")
    return lines + gen_code.function('static void', name + '_dump',
                                     'FILE *file, int16_t v, const struct %s *m' % name, body)


def message_functions(message):
    lines = []
    singles = {f.struct for s in message.structs for f in s.fields
               if f.struct and not f.is_array and not f.nulls and f.tag is not None}
    for struct in message.structs:
        lines += struct_functions(struct, singles)
    name = message.root().c_name
    lines += gen_code.function('static enum codec_status', name + '_decode_op',
                               'struct reader *r, int16_t v, void *m',
                               ['return %s_decode(r, v, m);' % name])
    lines += gen_code.function('static enum codec_status', name + '_encode_op',
                               'struct writer *w, int16_t v, const void *m',
                               ['return %s_encode(w, v, m);' % name])
    lines += gen_code.function('static uint64_t', name + '_bytes_op', 'int16_t v, const void *m',
                               ['return %s_size(v, m);' % name])
    lines += gen_code.function('static void', name + '_fill_op',
                               'struct fill *f, int16_t v, void *m', [name + '_fill(f, v, m);'])
    lines += gen_code.function('static void', name + '_dump_op',
                               'FILE *file, int16_t v, const void *m',
                               [name + '_dump(file, v, m);'])
    return lines + ['_Static_assert(sizeof(struct %s) <= OPS_SIZE_MAX, "size");' % name, '']


def table_row(message):
    c_name = message.root().c_name
    name = gen_model.camel(message.c_name)
    key = -1 if message.key is None else message.key
    return '    {"%s", %d, %d, %d, sizeof(struct %s), &%s_default, %s},' % (
        (name, key) + message.versions +
        (c_name, c_name, ', '.join('%s_%s_op' % (c_name, op) for op in
                                   ('decode', 'encode', 'bytes', 'fill', 'dump'))))


def main():
    messages = [m for path in sys.argv[3:] for m in gen_model.parse_file(path).messages]
    lines = ['/* Generated by gen_ops.py. */', '#include "tests/dataplane/kafka/ops.h"', '']
    for message in messages:
        lines += message_functions(message)
    lines += ['const struct message_ops message_ops[] = {']
    lines += [table_row(m) for m in messages]
    lines += ['};', 'const uint32_t message_ops_count = ARRAY_SIZE(message_ops);', '']
    with open(sys.argv[2], 'w', encoding='ascii') as file:
        file.write('\n'.join(lines))


main()

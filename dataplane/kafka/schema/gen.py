#!/usr/bin/env python3
"""Generates messages.h and one .c file per schema: the codec of every Kafka message we know.

    gen.py OUT_DIR SCHEMA.msg...

The schema language. A file holds one API or several records; `#` starts a comment.

    api NAME key N versions A-B flexible C+ [advertise D] [dispatch no]
        followed by the blocks `request` and `response`; flexible: compact and tagged from there
        on (KIP-482); advertise: the minimum that ApiVersions tells, if not A; dispatch no: the
        codec is there, but no broker serves it yet, so it stands in api_table_undispatched.
    record NAME [key N] versions A-B flexible C+
        followed by its fields: the value of one record, of the metadata log if it has a key.

A field is `name type [versions] [option]...`, indented by four spaces per level.

    types     bool i8 i16 u16 i32 i64 uuid string bytes records, [type] an array, {struct} one
              struct. A struct's fields follow one level deeper; a second use of the same struct
              in one message names it only.
    versions  3+ from 3 on; -4 up to 4; 3-4; none: wherever the enclosing struct is.
    null [versions]  may be null (there)      tag N    a tagged field of the flexible versions
    max N     bound of a string's or blob's bytes, or of an array's elements; must be there
    each N    bound of each string of an array of strings
    default V number, true, false or null; else 0, false, empty
    ignorable a value is dropped where the version does not have the field; without it encoding
              fails then (CODEC_UNREPRESENTABLE)
    stream    an array whose elements can be coded one by one, see below; one per struct

What is generated. One struct per message (`struct fetch_request`) and per nested struct (`struct
fetch_request_topic`), for both directions; arrays have the shape described in primitives.h.

    enum codec_status M_decode(struct reader *, int16_t version, struct M *)
        checks the whole message once; the struct then holds views. Absent fields have defaults.
    bool S_array_next(struct S_array *, struct S *)
        the next element; cannot fail, as all is checked.
    enum codec_status M_encode(struct writer *, int16_t version, const struct M *)
    uint64_t M_size(int16_t version, const struct M *)
    M_encode_begin(..., count), S_encode_begin(..., count), S_encode(...), ..._encode_end(...)
        for streams: begin writes all up to the array and its count, then the caller encodes count
        elements, end writes the rest. The array in the struct is not looked at.
    M_decode_begin(..., &count), S_decode_begin(..., &count), S_decode(...), ..._decode_end(...)
        the same for requests that end in a stream, whose handlers then read each byte once: the
        message is known to be whole only after the last end, by the reader's status.
    const struct S S_default
        a value of defaults to start from.
    enum api_key, api_table[], api_table_undispatched[],
    enum metadata_record_key, metadata_record_table[]
        from which dispatch and ApiVersions are computed.
"""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import gen_code  # noqa: E402
import gen_header  # noqa: E402
import gen_model  # noqa: E402


def main():
    out_dir, paths = sys.argv[1], sys.argv[2:]
    try:
        schemas = [gen_model.parse_file(path) for path in paths]
        gen_model.check_all(schemas)
    except gen_model.SchemaError as error:
        sys.exit(str(error))
    write(out_dir, 'messages.h', gen_header.header(schemas))
    write(out_dir, 'messages.c', gen_code.tables(schemas))
    for schema in schemas:
        write(out_dir, schema.name + '_messages.c', gen_code.source(schema))


def write(out_dir, name, text):
    with open(os.path.join(out_dir, name), 'w', encoding='ascii') as file:
        file.write(text)


main()

#include "control/serve/listed.h"

/* They are no stream of the codec. */
static void groups_write(struct writer *writer, int16_t version,
                         struct list_groups_response_group_array groups)
{
    const bool compact = version >= 3;
    struct list_groups_response_group group;
    while (list_groups_response_group_array_next(&groups, &group)) {
        writer_string(writer, compact, false, group.group_id);
        writer_string(writer, compact, false, group.protocol_type);
        if (version >= 4) {
            writer_string(writer, compact, false, group.group_state);
        }
        if (version >= 5) {
            writer_string(writer, compact, false, group.group_type);
        }
        if (compact) {
            writer_uvarint(writer, 0);
        }
    }
}

void listed_add(struct listed *listed, struct arena *arena, int16_t version,
                struct list_groups_response_group_array groups)
{
    struct writer writer;
    writer_init_count(&writer);
    groups_write(&writer, version, groups);
    const uint64_t bytes = writer_bytes(&writer);
    uint8_t *piece = arena_take(arena, bytes);
    writer_init(&writer, piece, bytes);
    groups_write(&writer, version, groups);
    listed->groups += groups.count;
    listed->pieces = arena_room(arena, listed->pieces, sizeof(listed->pieces[0]), listed->count,
                                &listed->capacity);
    listed->pieces[listed->count++] = (struct bytes){piece, writer_used(&writer)};
}

void listed_write(const struct listed *listed, struct writer *writer)
{
    for (uint32_t i = 0; i < listed->count; i++) {
        writer_raw(writer, chain_of(&listed->pieces[i]));
    }
}

/* Bits of stored files flip while the broker is down.
 *
 * What may follow depends on the file. What is derived from the log (indexes, producer snapshots,
 * our checkpoint) must cost nothing at all: it is found out and made anew. A flip in a segment may
 * cost that partition batches from there on, but is never served under a good CRC. A flip that
 * makes a process refuse to start, or takes a partition its name, is flipped back after a while, as
 * an operator would restore the file; everything else goes on meanwhile.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/log/checkpoint_files.h"
#include "storage/log/segment_name.h"
#include "storage/log/sidecar.h"
#include "storage/record/batch.h"
#include "tests/sim/sim_files.h"

enum {
    NAME_BYTES = 256,
    LANDED_MS = 100,  /* Late writes have ended by then. */
    RESTORE_MS = 500, /* Then what stopped somebody is flipped back. */
    REFUSALS_MAX = 3,
};

static const uint64_t MS_NS = 1000 * 1000;

enum kind {
    KIND_SEGMENT,
    KIND_INDEX,
    KIND_TIME_INDEX,
    KIND_SNAPSHOT,
    KIND_EPOCHS,
    KIND_IDENTITY, /* partition.metadata */
    KIND_SIDECAR,
    KIND_META_PROPERTIES,
    KIND_METADATA_LOG,
    KIND_METADATA_OTHER, /* Checkpoints, quorum-state. */
    KINDS,
};

static const char *const kind_names[KINDS] = {
    "segment",  "index",   "time index",      "snapshot",     "epochs",
    "identity", "sidecar", "meta.properties", "metadata log", "metadata checkpoint",
};

/* The search for a file of one kind, each with the same chance. */
struct search {
    struct world *world;
    enum kind kind;
    char directory[NAME_BYTES];
    bool metadata;
    uint64_t seen;
    char path[2 * NAME_BYTES];
    uint64_t bytes; /* That may flip. */
};

/* ---- Which file ----------------------------------------------------------------------------- */

static enum kind kind_of(bool metadata, const char *name)
{
    struct segment_name parsed;
    const bool segment = segment_name_parse(bytes_of_string(name), &parsed);
    if (segment && parsed.mark != SEGMENT_LIVE) {
        return KINDS;
    }
    if (metadata) {
        return segment && parsed.file == SEGMENT_LOG ? KIND_METADATA_LOG : KIND_METADATA_OTHER;
    }
    if (segment) {
        switch (parsed.file) {
        case SEGMENT_LOG: return KIND_SEGMENT;
        case SEGMENT_INDEX: return KIND_INDEX;
        case SEGMENT_TIME_INDEX: return KIND_TIME_INDEX;
        case SEGMENT_SNAPSHOT:
        case SEGMENT_PRODUCERS: return KIND_SNAPSHOT;
        case SEGMENT_TXN_INDEX:
        case SEGMENT_FILES: break;
        }
        return KINDS;
    }
    if (strcmp(name, "partition.metadata") == 0) {
        return KIND_IDENTITY;
    }
    if (strcmp(name, SIDECAR_FILE) == 0) {
        return KIND_SIDECAR;
    }
    return strcmp(name, "leader-epoch-checkpoint") == 0 ? KIND_EPOCHS : KINDS;
}

/* Bytes in front of the last batch: a damaged last one cannot be told from a torn one. */
static uint64_t before_last_batch(struct world *world, const char *path, uint64_t size)
{
    uint8_t *content = malloc((size_t)size + 1);
    ASSERT(content != NULL);
    (void)sim_machine_peek(world->machine, path, content, size, 0);
    struct bytes rest = {content, (uint32_t)size};
    struct batch_header header;
    struct bytes batch;
    uint64_t before = 0;
    while (batch_next(&rest, &header, &batch) == BATCH_OK) {
        before = (uint64_t)(batch.ptr - content);
    }
    free(content);
    return before;
}

/* A segment may end in zeros, whose flips nobody would notice. */
static uint64_t data_bytes(struct world *world, const char *path, uint64_t size)
{
    uint8_t *content = malloc((size_t)size + 1);
    ASSERT(content != NULL);
    (void)sim_machine_peek(world->machine, path, content, size, 0);
    while (size > 0 && content[size - 1] == 0) {
        size--;
    }
    free(content);
    return size;
}

static void search_file(struct search *search, const char *path, enum kind kind)
{
    const int64_t size = sim_machine_file_size(search->world->machine, path);
    if (kind != search->kind || size <= 0) {
        return;
    }
    uint64_t bytes = (uint64_t)size;
    if (kind == KIND_METADATA_LOG) {
        bytes = before_last_batch(search->world, path, bytes);
    } else if (kind == KIND_SEGMENT) {
        bytes = data_bytes(search->world, path, bytes);
    }
    if (bytes > 0 && random_below(&search->world->random, ++search->seen) == 0) {
        (void)snprintf(search->path, sizeof(search->path), "%s", path);
        search->bytes = bytes;
    }
}

static void search_entry(void *context, const char *name, bool directory)
{
    struct search *search = context;
    char path[2 * NAME_BYTES];
    (void)snprintf(path, sizeof(path), "%s/%s", search->directory, name);
    if (!directory) {
        search_file(search, path, kind_of(search->metadata, name));
    }
}

static void search_top(void *context, const char *name, bool directory)
{
    struct search *search = context;
    struct partition_dir dir;
    char path[2 * NAME_BYTES];
    (void)snprintf(path, sizeof(path), "%s/%s", search->directory, name);
    if (!directory) {
        search_file(search, path,
                    strcmp(name, "meta.properties") == 0 ? KIND_META_PROPERTIES : KINDS);
        return;
    }
    if (!partition_dir_parse(bytes_of_string(name), &dir) || dir.mark != PARTITION_DIR_LIVE) {
        return;
    }
    char above[NAME_BYTES];
    memcpy(above, search->directory, sizeof(above));
    (void)snprintf(search->directory, sizeof(search->directory), "%.200s", path);
    search->metadata = strcmp(name, "__cluster_metadata-0") == 0;
    (void)sim_machine_list(search->world->machine, search->directory, search_entry, search);
    memcpy(search->directory, above, sizeof(above));
}

/* ---- What it may cost ----------------------------------------------------------------------- */

static struct ledger_partition *partition_at(struct world *world, const char *path)
{
    char directory[NAME_BYTES];
    char file[2 * NAME_BYTES];
    uint8_t content[256];
    (void)snprintf(directory, sizeof(directory), "%.200s", path);
    *strrchr(directory, '/') = '\0';
    (void)snprintf(file, sizeof(file), "%s/partition.metadata", directory);
    const int64_t size = sim_machine_peek(world->machine, file, content, sizeof(content), 0);
    struct partition_dir dir;
    struct uuid id;
    uint32_t line;
    if (size < 0 ||
        partition_metadata_parse((struct bytes){content, (uint32_t)size}, &id, &line) !=
            CHECKPOINT_OK ||
        !partition_dir_parse(bytes_of_string(strrchr(directory, '/') + 1), &dir)) {
        return NULL;
    }
    return ledger_partition_find(world->ledger, &id, (uint32_t)dir.partition);
}

static void price(struct sim_flips *flips, struct world *world)
{
    struct ledger_partition *partition =
        flips->kind < KIND_META_PROPERTIES ? partition_at(world, flips->path) : NULL;
    switch ((enum kind)flips->kind) {
    case KIND_SEGMENT:
        world->flipped = true;
        if (partition != NULL) {
            ledger_suspect(partition);
        }
        break;
    case KIND_IDENTITY: /* Away until it is restored. */
        world->ever_faulty = true;
        world->faulty = true;
        break;
    case KIND_SIDECAR: /* Nothing else says what was deleted. */
        if (partition != NULL) {
            ledger_deletes_forgotten(partition);
        }
        break;
    case KIND_SNAPSHOT: /* Ours beside Kafka's is all that tells more than the last batch. */
        if (partition != NULL && strstr(flips->path, ".producers") != NULL) {
            ledger_repeats_forgotten(partition);
        }
        break;
    case KIND_EPOCHS: /* A text without a checksum: Kafka's format. */
        if (partition != NULL) {
            ledger_epochs_forgotten(partition);
        }
        break;
    case KIND_META_PROPERTIES:
    case KIND_METADATA_LOG:
    case KIND_METADATA_OTHER:
    case KIND_INDEX:
    case KIND_TIME_INDEX:
    case KINDS: break;
    }
}

/* ---- The life of a flip --------------------------------------------------------------------- */

static void hold(struct world *world, bool held)
{
    world->dataplane_held = held;
    world->control_held = held;
}

static bool pick(struct sim_flips *flips, struct world *world)
{
    struct search search = {.world = world, .kind = (enum kind)random_below(&world->random, KINDS)};
    for (uint32_t i = 0; i < world->options.directory_count; i++) {
        (void)snprintf(search.directory, sizeof(search.directory), "%s", world_directory(world, i));
        search.metadata = false;
        (void)sim_machine_list(world->machine, world_directory(world, i), search_top, &search);
    }
    if (search.seen == 0) {
        return false; /* No file of that kind yet. */
    }
    (void)snprintf(flips->path, sizeof(flips->path), "%.255s", search.path);
    flips->kind = (uint32_t)search.kind;
    flips->offset = random_below(&world->random, search.bytes);
    flips->bit = (uint32_t)random_below(&world->random, 8);
    return true;
}

void sim_flips_order(struct sim_flips *flips, struct world *world)
{
    if (flips->ordered) {
        return;
    }
    *flips =
        (struct sim_flips){.ordered = true, .next_ns = world_now_ns(world) + LANDED_MS * MS_NS};
    hold(world, true);
    world_kill_dataplane(world);
    world_kill_control(world);
}

static void flip(struct sim_flips *flips, struct world *world)
{
    if (!pick(flips, world)) {
        flips->ordered = false;
        hold(world, false);
        return;
    }
    if (world->options.verbose) {
        (void)fprintf(stderr, "flip of a %s: bit %u of byte %" PRIu64 " of %s\n",
                      kind_names[flips->kind], flips->bit, flips->offset, flips->path);
    }
    price(flips, world);
    world->rotten = world->rotten || flips->kind != KIND_IDENTITY;
    const int flipped =
        sim_machine_flip_bit(world->machine, flips->path, flips->offset, flips->bit);
    ASSERT(flipped == 0);
    flips->done = true;
    flips->refusals = world->refusals;
    flips->next_ns = world_now_ns(world) + RESTORE_MS * MS_NS;
    hold(world, false);
}

struct renaming {
    struct world *world;
    const char *live;       /* Path of the partition's directory. */
    char stray[NAME_BYTES]; /* Name of what became of it. */
};

static void stray_find(void *context, const char *name, bool directory)
{
    struct renaming *renaming = context;
    const char *live = strrchr(renaming->live, '/') + 1;
    const size_t len = strlen(live);
    if (directory && strncmp(name, live, len) == 0 && name[len] == '.' &&
        strstr(name, "-stray") != NULL) {
        (void)snprintf(renaming->stray, sizeof(renaming->stray), "%s", name);
    }
}

/* Its directory was set aside: the operator renames it back. False: it was made anew meanwhile,
 * before it was recorded; whether anything is missed then, the ledger knows. */
static bool unstray(struct sim_flips *flips, struct world *world)
{
    char live[NAME_BYTES];
    char above[NAME_BYTES];
    char stray[2 * NAME_BYTES];
    (void)snprintf(live, sizeof(live), "%s", flips->path);
    *strrchr(live, '/') = '\0';
    (void)snprintf(above, sizeof(above), "%s", live);
    *strrchr(above, '/') = '\0';
    struct renaming renaming = {.world = world, .live = live};
    (void)sim_machine_list(world->machine, above, stray_find, &renaming);
    if (renaming.stray[0] == '\0') {
        return true;
    }
    if (sim_machine_file_size(world->machine, flips->path) >= 0) {
        return false;
    }
    (void)snprintf(stray, sizeof(stray), "%s/%s", above, renaming.stray);
    struct sim_process *process = sim_process_start(world->machine);
    struct file_system *fs = sim_process_files(process);
    int error = file_rename(fs, stray, live);
    if (error == 0) {
        error = file_sync_directory(fs, above);
    }
    sim_process_end(process);
    if (error != 0) {
        sim_fail("%s cannot be renamed back: %d", stray, error);
    }
    return true;
}

/* With everything down once more: the bit flips back. */
static void restore(struct sim_flips *flips, struct world *world)
{
    if (flips->kind != KIND_IDENTITY || unstray(flips, world)) {
        (void)sim_machine_flip_bit(world->machine, flips->path, flips->offset, flips->bit);
    }
    flips->ordered = false;
    if (flips->kind == KIND_IDENTITY) {
        world->faulty = false;
    }
    hold(world, false);
}

void sim_flips_turn(struct sim_flips *flips, struct world *world)
{
    const uint64_t now_ns = world_now_ns(world);
    if (!flips->ordered) {
        return;
    }
    if (!flips->done) {
        if (now_ns >= flips->next_ns) {
            flip(flips, world);
        }
        return;
    }
    if (flips->restoring) {
        if (now_ns >= flips->next_ns) {
            restore(flips, world);
        }
        return;
    }
    const bool refused = world->refusals >= flips->refusals + REFUSALS_MAX;
    if (now_ns >= flips->next_ns && !refused && flips->kind != KIND_IDENTITY) {
        if (world_serving(world)) {
            flips->ordered = false; /* It goes on with it. */
        }
        return;
    }
    if (refused || now_ns >= flips->next_ns) {
        flips->restoring = true;
        flips->next_ns = now_ns + LANDED_MS * MS_NS;
        hold(world, true);
        world_kill_dataplane(world);
        world_kill_control(world);
    }
}

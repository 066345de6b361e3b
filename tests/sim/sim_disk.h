/* The simulated twin of storage/io/disk.c: see sim_machine.h for what it may do to writes. */
#ifndef TESTS_SIM_SIM_DISK_H
#define TESTS_SIM_SIM_DISK_H

#include "storage/io/disk.h"
#include "tests/sim/sim_machine.h"

/* memory (borrowed, may be NULL) is where buffers must lie when given. Freed by sim_process_end. */
struct disk *sim_disk_create(struct sim_process *process, uint8_t *memory, uint64_t memory_bytes,
                             uint32_t slot_count, uint32_t operation_count_max);

/* Whether disk_done has something to return. */
bool sim_disk_has_done(const struct disk *disk);

#endif

/* .producers files: all batches that are remembered of each producer, beside the .snapshot of the
 * same offset, which holds only the last of each (that is Kafka's format, and Kafka's gap: after a
 * crash a client's repeat of an older batch is refused there). Kafka ignores the file. Big-endian:
 *
 *    0 "MRPM"                      16 uint32 CRC field of the .snapshot it belongs to
 *    4 uint16 version 1            20 uint32 producers
 *    6 uint16 0                    24 the producers, then
 *    8 int64 offset of its name       uint64 XXH3 of all bytes before
 *
 * A producer: int64 id, int16 epoch, uint16 count of batches (2 to 5), and for each, oldest first,
 * int64 last offset, int64 timestamp, int32 last sequence, int32 offset delta. Producers with one
 * batch are left out; without any other there is no file. Missing, damaged, or of another
 * .snapshot: what the .snapshot says is all that is known. Pure; any thread.
 */
#ifndef STORAGE_LOG_PRODUCER_MARKS_H
#define STORAGE_LOG_PRODUCER_MARKS_H

#include "storage/log/producer_state.h"

/* Room that producer_marks_export may need. */
size_t producer_marks_bytes_max(uint32_t producer_count);

/* Writes what is known at offset; returns the size of the file, 0: none is needed. Valid only after
 * producer_marks_seal, which may run on another thread and be repeated. */
uint32_t producer_marks_export(const struct producer_state *state, int64_t offset, uint8_t *to);
void producer_marks_seal(uint8_t *file, uint32_t file_bytes, uint32_t snapshot_crc);

/* A file being read. */
struct producer_marks {
    int64_t offset;
    uint32_t snapshot_crc; /* Of the .snapshot it belongs to. */
    uint32_t count;        /* Of producers. */
    struct bytes rest;     /* Of those not read yet. */
};

/* Checks the whole file; then producer_marks_next gives `count` producers. False: damaged. */
MUST_USE bool producer_marks_open(struct bytes file, struct producer_marks *marks);
/* The next producer, of which only id, epoch and batches are known; false at the end. */
MUST_USE bool producer_marks_next(struct producer_marks *marks, struct producer_values *values);

/* Completes the producers in state, which were loaded from the .snapshot at offset with that CRC
 * field. False, and nothing changed: not its file, or damaged. */
MUST_USE bool producer_marks_load(struct bytes file, int64_t offset, uint32_t snapshot_crc,
                                  struct producer_state *state);

#endif

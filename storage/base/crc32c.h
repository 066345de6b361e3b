/* CRC-32C (Castagnoli, RFC 3720 appendix B.4), the checksum of record batches and snapshots.
 *
 * A crc here is the finished value, as it stands on disk and wire; 0 is the crc of no bytes. The
 * widest implementation of the CPU is chosen per call; all give the same result. Pure; any thread.
 */
#ifndef STORAGE_BASE_CRC32C_H
#define STORAGE_BASE_CRC32C_H

#include "storage/base/bytes.h"

/* The crc of the bytes behind crc followed by these. */
uint32_t crc32c_extend(uint32_t crc, const void *from, size_t len);

/* As crc32c_extend, and copies the bytes to `to` in the same pass. The areas do not overlap. */
uint32_t crc32c_copy(uint32_t crc, void *to, const void *from, size_t len);

/* The crc of bytes of which a part changed without changing its length: crc of the whole before,
 * crc of the part before and after, and the bytes that stand behind the part. O(log len). */
uint32_t crc32c_replace(uint32_t crc_whole, uint32_t crc_part_old, uint32_t crc_part_new,
                        uint64_t behind);

/* crc32c_extend over a chain. */
uint32_t crc32c_chain(uint32_t crc, struct chain chain);

/* crc32c_copy over a chain: `to` holds chain.len bytes. */
uint32_t crc32c_chain_copy(uint32_t crc, void *to, struct chain chain);

/* The ways to compute it, for tests and benchmarks. */
enum crc32c_way {
    CRC32C_TABLE,  /* Portable. */
    CRC32C_SSE42,  /* Three interleaved crc32 instructions, joined by carry-less multiplication. */
    CRC32C_AVX512, /* Folding with 512-bit carry-less multiplication. */
    CRC32C_WAYS,
};

/* True when this CPU has it. */
bool crc32c_way_present(enum crc32c_way way);

/* As crc32c_extend and crc32c_copy in one named way, which must be present. */
uint32_t crc32c_extend_by(enum crc32c_way way, uint32_t crc, const void *from, size_t len);
uint32_t crc32c_copy_by(enum crc32c_way way, uint32_t crc, void *to, const void *from, size_t len);

#endif

/* The x86 ways of storage/base/crc32c.h. Private to it: registers are raw, without the inversions.
 */
#ifndef STORAGE_BASE_CRC32C_X86_H
#define STORAGE_BASE_CRC32C_X86_H

#include "storage/base/check.h"

enum { CRC32C_AVX512_BYTES_MIN = 256 }; /* Fewer bytes are left to SSE 4.2. */

bool crc32c_sse42_present(void);
bool crc32c_avx512_present(void);

uint32_t crc32c_sse42(uint32_t state, const uint8_t *from, size_t len);
uint32_t crc32c_sse42_copy(uint32_t state, uint8_t *to, const uint8_t *from, size_t len);
uint32_t crc32c_avx512(uint32_t state, const uint8_t *from, size_t len);
uint32_t crc32c_avx512_copy(uint32_t state, uint8_t *to, const uint8_t *from, size_t len);

#endif

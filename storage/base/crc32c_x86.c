/* CRC-32C with SSE 4.2 + PCLMULQDQ, and with AVX-512 + VPCLMULQDQ.
 *
 * The constants are powers of x modulo the polynomial, bit-reflected: test_crc32c.c holds all ways
 * against the table, at all lengths and alignments. Method: Gopal and others, "Fast CRC Computation
 * for iSCSI Polynomial Using CRC32 Instruction" and "... Using PCLMULQDQ Instruction", Intel
 * 2009/11.
 */
#include "storage/base/crc32c_x86.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

/* sse42 is the floor the tree is compiled for, so its functions need no attribute. */
#define AVX512 __attribute__((target("avx512f,avx512vl,avx512bw,vpclmulqdq,pclmul,sse4.2")))

bool crc32c_sse42_present(void)
{
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}

bool crc32c_avx512_present(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("vpclmulqdq");
}

HOT_INLINE uint64_t load_u64(const uint8_t *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof(value));
    return value;
}

HOT_INLINE void store_u64(uint8_t *to, uint64_t value)
{
    memcpy(to, &value, sizeof(value));
}

HOT_INLINE __m128i load_u128(const uint8_t *from)
{
    return _mm_loadu_si128((const __m128i *)(const void *)from);
}

HOT_INLINE void store_u128(uint8_t *to, __m128i value)
{
    _mm_storeu_si128((__m128i *)(void *)to, value);
}

/* state * factor * x^33 modulo the polynomial: factor x^(8n-33) puts n bytes behind state. */
HOT_INLINE uint64_t multiply(uint64_t state, uint32_t factor)
{
    const __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)(state & UINT32_MAX)),
                                                 _mm_cvtsi32_si128((int32_t)factor), 0);
    return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

/* One block of 3 * n bytes as three streams, because the instruction takes one operand a cycle but
 * answers after three. behind_2n and behind_n are the factors of 2n and n bytes. */
HOT_INLINE uint64_t sse42_block(bool copy, uint64_t state, uint8_t *to, const uint8_t *from,
                                size_t n, uint32_t behind_2n, uint32_t behind_n)
{
    uint64_t state_1 = 0;
    uint64_t state_2 = 0;
    for (size_t i = 0; i < n; i += 8) {
        const uint64_t word_0 = load_u64(from + i);
        const uint64_t word_1 = load_u64(from + n + i);
        const uint64_t word_2 = load_u64(from + 2 * n + i);
        state = _mm_crc32_u64(state, word_0);
        state_1 = _mm_crc32_u64(state_1, word_1);
        state_2 = _mm_crc32_u64(state_2, word_2);
        if (copy) {
            store_u64(to + i, word_0);
            store_u64(to + n + i, word_1);
            store_u64(to + 2 * n + i, word_2);
        }
    }
    return multiply(state, behind_2n) ^ multiply(state_1, behind_n) ^ state_2;
}

/* Fewer than eight bytes. */
HOT_INLINE uint32_t sse42_rest(bool copy, uint32_t state, uint8_t *to, const uint8_t *from,
                               size_t len)
{
    if ((len & 4) != 0) {
        uint32_t word;
        memcpy(&word, from, sizeof(word));
        state = _mm_crc32_u32(state, word);
        if (copy) {
            memcpy(to, &word, sizeof(word));
        }
        from += 4;
        to = copy ? to + 4 : NULL;
    }
    for (size_t i = 0; i < (len & 3); i++) {
        state = _mm_crc32_u8(state, from[i]);
        if (copy) {
            to[i] = from[i];
        }
    }
    return state;
}

/* The first 1 to 8 bytes of at least 8, so that whole words are left. Zeros in front of all bytes
 * do not change a CRC without a state: these become the end of a word of zeros, with the state in
 * them, and what is left of it goes into the next. Eight bytes are copied. */
HOT_INLINE uint64_t sse42_odd(bool copy, uint32_t state, uint8_t *to, const uint8_t *from,
                              uint32_t odd)
{
    const uint64_t word = load_u64(from);
    if (copy) {
        store_u64(to, word);
    }
    const uint64_t left = (uint64_t)state >> 8 >> (8 * odd - 8);
    return _mm_crc32_u64(0, (word ^ state) << (64 - 8 * odd)) ^ left;
}

HOT_INLINE uint64_t sse42_16(bool copy, uint64_t state, uint8_t *to, const uint8_t *from)
{
    if (copy) { /* By 16 bytes: half the stores. */
        store_u128(to, load_u128(from));
    }
    state = _mm_crc32_u64(state, load_u64(from));
    return _mm_crc32_u64(state, load_u64(from + 8));
}

/* Whole words, fewer than three blocks of 64 bytes. */
HOT_INLINE uint64_t sse42_words(bool copy, uint64_t state, uint8_t *to, const uint8_t *from,
                                size_t len)
{
#define GO(bytes)                     \
    do {                              \
        from += (bytes);              \
        to = copy ? to + (bytes) : 0; \
    } while (0)
    for (; len >= 64; len -= 64) {
        state = sse42_16(copy, state, to, from);
        state = sse42_16(copy, state, copy ? to + 16 : NULL, from + 16);
        state = sse42_16(copy, state, copy ? to + 32 : NULL, from + 32);
        state = sse42_16(copy, state, copy ? to + 48 : NULL, from + 48);
        GO(64);
    }
    if ((len & 32) != 0) {
        state = sse42_16(copy, state, to, from);
        state = sse42_16(copy, state, copy ? to + 16 : NULL, from + 16);
        GO(32);
    }
    if ((len & 16) != 0) {
        state = sse42_16(copy, state, to, from);
        GO(16);
    }
    if ((len & 8) != 0) {
        const uint64_t word = load_u64(from);
        if (copy) {
            store_u64(to, word);
        }
        state = _mm_crc32_u64(state, word);
    }
    return state;
#undef GO
}

HOT_INLINE uint32_t sse42_all(bool copy, uint32_t state_32, uint8_t *to, const uint8_t *from,
                              size_t len)
{
    if (UNLIKELY(len < 8)) {
        return sse42_rest(copy, state_32, to, from, len);
    }
    const uint32_t odd = ((len - 1) & 7) + 1;
    uint64_t state = sse42_odd(copy, state_32, to, from, odd);
    from += odd;
    to = copy ? to + odd : NULL;
    len -= odd;
#define BLOCKS(n, behind_2n, behind_n)                                            \
    while (len >= 3 * (n)) {                                                      \
        state = sse42_block(copy, state, to, from, (n), (behind_2n), (behind_n)); \
        from += 3 * (n);                                                          \
        to = copy ? to + 3 * (n) : NULL;                                          \
        len -= 3 * (n);                                                           \
    }
    if (UNLIKELY(len >= 192)) {
        BLOCKS(2048, 0x82f89c77, 0xa51b6135)
        BLOCKS(512, 0x170076fa, 0xdd7e3b0c)
        BLOCKS(64, 0x0d3b6092, 0x9e4addf8)
    }
#undef BLOCKS
    return (uint32_t)sse42_words(copy, state, to, from, len);
}

uint32_t crc32c_sse42(uint32_t state, const uint8_t *from, size_t len)
{
    return sse42_all(false, state, NULL, from, len);
}

uint32_t crc32c_sse42_copy(uint32_t state, uint8_t *to, const uint8_t *from, size_t len)
{
    return sse42_all(true, state, to, from, len);
}

/* lane * x^distance + next, in each 128-bit lane. */
#define FOLD(lanes, factors, next)                                                \
    _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128((lanes), (factors), 0x00), \
                              _mm512_clmulepi64_epi128((lanes), (factors), 0x11), (next), 0x96)

/* Factors for a distance: low quarter for the earlier eight bytes, high for the later. */
#define FACTORS(low, high) _mm512_set_epi64(high, low, high, low, high, low, high, low)

/* The 128-bit remainder of four registers of 64 bytes that follow one another. */
AVX512 HOT_INLINE __m128i avx512_join(__m512i a, __m512i b, __m512i c, __m512i d)
{
    d = FOLD(a, FACTORS(0xa87ab8a8, 0xab7aff2a), d); /* 1536 bits ahead of d. */
    d = FOLD(b, FACTORS(0x6992cea2, 0x0d3b6092), d); /* 1024 */
    d = FOLD(c, FACTORS(0x740eef02, 0x9e4addf8), d); /* 512 */
    /* The four lanes of d stand 384, 256, 128 and 0 bits ahead of its end. */
    const __m512i ahead = _mm512_set_epi64(0, 0, 0x493c7d27, 0xf20c0dfe, 0xba4fc28e, 0x3da6d0cb,
                                           0xddc0152b, 0x1c291d04);
    const __m512i moved = _mm512_xor_si512(_mm512_clmulepi64_epi128(d, ahead, 0x00),
                                           _mm512_clmulepi64_epi128(d, ahead, 0x11));
    const __m128i first =
        _mm_xor_si128(_mm512_extracti32x4_epi32(moved, 0), _mm512_extracti32x4_epi32(moved, 1));
    return _mm_xor_si128(_mm_xor_si128(first, _mm512_extracti32x4_epi32(moved, 2)),
                         _mm512_extracti32x4_epi32(d, 3));
}

enum store { STORE_NOTHING, STORE_CACHED, STORE_PAST_CACHES /* `to` is aligned to 64. */ };

AVX512 HOT_INLINE __m512i avx512_take(enum store store, uint8_t *to, const uint8_t *from)
{
    const __m512i value = _mm512_loadu_si512(from);
    if (store == STORE_CACHED) {
        _mm512_storeu_si512(to, value);
    } else if (store == STORE_PAST_CACHES) {
        _mm512_stream_si512((__m512i *)(void *)to, value);
    }
    return value;
}

/* Needs len >= 256; takes whole 256 bytes and leaves the rest to SSE 4.2. */
AVX512 HOT_INLINE uint32_t avx512_all(enum store store, uint32_t state, uint8_t *to,
                                      const uint8_t *from, size_t len)
{
    const __m512i factors = FACTORS(0xdcb17aa4, 0xb9e02b86); /* 2048 bits. */
    const size_t whole = len & ~(size_t)255;
#define TO(at) (store == STORE_NOTHING ? NULL : to + (at))
    __m512i a = avx512_take(store, TO(0), from);
    __m512i b = avx512_take(store, TO(64), from + 64);
    __m512i c = avx512_take(store, TO(128), from + 128);
    __m512i d = avx512_take(store, TO(192), from + 192);
    a = _mm512_xor_si512(a, _mm512_zextsi128_si512(_mm_cvtsi32_si128((int32_t)state)));
    for (size_t at = 256; at < whole; at += 256) {
        a = FOLD(a, factors, avx512_take(store, TO(at), from + at));
        b = FOLD(b, factors, avx512_take(store, TO(at + 64), from + at + 64));
        c = FOLD(c, factors, avx512_take(store, TO(at + 128), from + at + 128));
        d = FOLD(d, factors, avx512_take(store, TO(at + 192), from + at + 192));
    }
    const __m128i rest = avx512_join(a, b, c, d);
    uint64_t wide = _mm_crc32_u64(0, (uint64_t)_mm_extract_epi64(rest, 0));
    wide = _mm_crc32_u64(wide, (uint64_t)_mm_extract_epi64(rest, 1));
    return sse42_all(store != STORE_NOTHING, (uint32_t)wide, TO(whole), from + whole, len - whole);
#undef TO
}

AVX512 uint32_t crc32c_avx512(uint32_t state, const uint8_t *from, size_t len)
{
    return avx512_all(STORE_NOTHING, state, NULL, from, len);
}

enum {
    PAST_CACHES_BYTES_MIN = 4096,
};

/* What is copied goes to a disk, and is often more than a cache holds: from a page on it is written
 * past the caches, which spares reading each line of the target first. */
AVX512 uint32_t crc32c_avx512_copy(uint32_t state, uint8_t *to, const uint8_t *from, size_t len)
{
    if (len < PAST_CACHES_BYTES_MIN) {
        return avx512_all(STORE_CACHED, state, to, from, len);
    }
    const size_t head = -(uintptr_t)to & 63;
    state = sse42_all(true, state, to, from, head);
    state = avx512_all(STORE_PAST_CACHES, state, to + head, from + head, len - head);
    _mm_sfence(); /* Others that are told of these bytes must see them. */
    return state;
}

#else

bool crc32c_sse42_present(void)
{
    return false;
}

bool crc32c_avx512_present(void)
{
    return false;
}

uint32_t crc32c_sse42(uint32_t state, const uint8_t *from, size_t len)
{
    (void)state, (void)from, (void)len;
    check_failed("SSE 4.2", __FILE__, __LINE__);
}

uint32_t crc32c_sse42_copy(uint32_t state, uint8_t *to, const uint8_t *from, size_t len)
{
    (void)to;
    return crc32c_sse42(state, from, len);
}

uint32_t crc32c_avx512(uint32_t state, const uint8_t *from, size_t len)
{
    return crc32c_sse42(state, from, len);
}

uint32_t crc32c_avx512_copy(uint32_t state, uint8_t *to, const uint8_t *from, size_t len)
{
    return crc32c_sse42_copy(state, to, from, len);
}

#endif

/* Assertions: programmer errors end the process, everything else is a value.
 *
 * ASSERT stays on in release builds. ASSERT_HOT is for checks per packet or record and exists in
 * checked builds only. Neither is for what a peer, a disk or an operator can cause.
 */
#ifndef STORAGE_BASE_CHECK_H
#define STORAGE_BASE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE      __attribute__((warn_unused_result))
#define LIKELY(x)     __builtin_expect(!!(x), 1)
#define UNLIKELY(x)   __builtin_expect(!!(x), 0)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define HOT_INLINE    static inline __attribute__((always_inline)) /* On every request's way. */
#define LINK_INLINE   inline                    /* The same, for other files: by the linker. */
#define NOINLINE      __attribute__((noinline)) /* Phases of a turn: a profile then names them. */

/* The struct that holds member `field` at address `ptr`. */
#define CONTAINER_OF(ptr, type, field) ((type *)(void *)((char *)(ptr)-offsetof(type, field)))

/* Prints file, line and expression to stderr and aborts. */
_Noreturn void check_failed(const char *expression, const char *file, int line);

#define ASSERT(expression) ((expression) ? (void)0 : check_failed(#expression, __FILE__, __LINE__))

#ifdef MILLRACE_CHECKED
#define ASSERT_HOT(expression) ASSERT(expression)
#else
#define ASSERT_HOT(expression) ((void)sizeof((expression) ? 1 : 0))
#endif

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* unit is a power of two. */
static inline uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) & ~(unit - 1);
}

static inline uint64_t round_down(uint64_t value, uint64_t unit)
{
    return value & ~(unit - 1);
}

#endif

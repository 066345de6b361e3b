/* A ring under the test's thumb: requests are noted, the test says how each one ends. */
#ifndef TESTS_STORAGE_IO_FAKE_RING_H
#define TESTS_STORAGE_IO_FAKE_RING_H

#include "storage/io/ring.h"

enum fake_kind { FAKE_READ, FAKE_WRITE, FAKE_WRITE_DURABLE, FAKE_FLUSH };

struct fake_request {
    enum fake_kind kind;
    struct ring_op *op;
    int32_t slot;
    const uint8_t *buffer;
    uint32_t len;
    uint64_t offset;
};

enum {
    FAKE_REQUESTS_MAX = 64,
    FAKE_FILES_MAX = 4,
};

struct ring {
    struct fake_request requests[FAKE_REQUESTS_MAX];
    uint32_t count;
    bool files[FAKE_FILES_MAX];
    struct ring_features features;
    int add_memory_result;
};

#endif
